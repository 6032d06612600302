"""What the tests of runners stand on: Pods do as the names of their images ask."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.cluster.ground import APPS, BATCH, LAST_LINES, Ground
from tests.cluster.installation import Json
from tests.cluster.scheduler import CPUS, TOO_LARGE
from tests.cluster.stages import Fate, image


def template(fate: Fate, **more: Any) -> Json:
    container = {
        "name": "main",
        "image": image(fate),
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "runAsNonRoot": True,
            "capabilities": {"drop": ["ALL"]},
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        **more,
    }
    return {"metadata": {"labels": {"app": "one"}}, "spec": {"containers": [container]}}


async def deploy(world: Ground, fate: Fate, **more: Any) -> None:
    spec = {"selector": {"matchLabels": {"app": "one"}}, "template": template(fate, **more)}
    path = world.path("deployments", group=APPS)
    await world.make(path, {"metadata": {"name": "one"}, "spec": spec})


async def pod_when(world: Ground, seen: Callable[[Json], bool]) -> Json:
    """Return the first Pod in whose status something is seen."""
    event = await world.admin.until(
        world.path("pods"), lambda event: seen(event["object"].get("status", {}))
    )
    pod: Json = event["object"]
    return pod


def runs(status: Json) -> bool:
    return bool(status.get("phase") == "Running")


def waits_because_of(reason: str) -> Callable[[Json], bool]:
    def seen(status: Json) -> bool:
        containers = status.get("containerStatuses", [])
        return any(each["state"].get("waiting", {}).get("reason") == reason for each in containers)

    return seen


async def available(world: Ground) -> Json:
    return await world.admin.until(
        world.path("deployments", group=APPS),
        lambda event: event["object"].get("status", {}).get("availableReplicas") == 1,
    )


async def test_a_deployment_comes_up(world: Ground) -> None:
    await deploy(world, Fate.OK)
    await available(world)


async def test_a_slow_one_comes_up_when_it_is_told_to(world: Ground) -> None:
    await deploy(world, Fate.SLOW)
    pod = await pod_when(world, runs)
    assert not pod["status"]["containerStatuses"][0]["ready"]
    await world.come_up()
    await available(world)


@pytest.mark.parametrize(
    ("fate", "reason", "code"), [(Fate.CRASH, "Error", 1), (Fate.OUT_OF_MEMORY, "OOMKilled", 137)]
)
async def test_one_that_crashes_is_started_again_and_again(
    world: Ground, fate: Fate, reason: str, code: int
) -> None:
    await deploy(world, fate)
    pod = await pod_when(world, waits_because_of("CrashLoopBackOff"))
    (container,) = pod["status"]["containerStatuses"]
    assert container["restartCount"] == 3
    assert container["lastState"]["terminated"]["reason"] == reason
    assert container["lastState"]["terminated"]["exitCode"] == code


async def test_an_image_that_is_not_there_is_waited_for(world: Ground) -> None:
    await deploy(world, Fate.NO_IMAGE)
    pod = await pod_when(world, waits_because_of("ImagePullBackOff"))
    assert pod["status"]["phase"] == "Pending"


async def test_one_that_is_too_large_is_not_placed(world: Ground) -> None:
    await deploy(world, Fate.OK, resources={"requests": {"cpu": str(CPUS + 1)}})
    pod = await pod_when(world, lambda status: "conditions" in status)
    (condition,) = pod["status"]["conditions"]
    assert condition["message"] == TOO_LARGE


async def test_a_container_has_a_log(world: Ground) -> None:
    await deploy(world, Fate.OK)
    pod = await pod_when(world, runs)
    path = world.path("pods", pod["metadata"]["name"]) + "/log"
    assert await world.admin.text(path) == "".join(f"{line}\n" for line in LAST_LINES)


@pytest.mark.parametrize(
    ("fate", "condition"), [(Fate.OK, "Complete"), (Fate.CRASH, "Failed"), (Fate.SLOW, "Complete")]
)
async def test_a_job_ends(world: Ground, fate: Fate, condition: str) -> None:
    made = template(fate)
    made["spec"]["restartPolicy"] = "Never"
    spec = {"template": made, "backoffLimit": 0}
    jobs = world.path("jobs", group=BATCH)
    await world.make(jobs, {"metadata": {"name": "one"}, "spec": spec})
    if fate is Fate.SLOW:
        await pod_when(world, runs)
        await world.come_up()

    def has_ended(event: Json) -> bool:
        told = event["object"].get("status", {}).get("conditions", [])
        return any(each["type"] == condition for each in told)

    await world.admin.until(jobs, has_ended)


async def test_what_belongs_to_a_deployment_goes_with_it(world: Ground) -> None:
    await deploy(world, Fate.OK)
    await available(world)
    async with world.admin.watching(world.path("pods")) as events:
        await world.admin.call("DELETE", world.path("deployments", "one", group=APPS))
        async for event in events:
            if event["type"] == "DELETED":
                break
