"""What a rollout in a cluster does and leaves, on a control plane that moves."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from backends.runners.base import Health, Runner, Running, RunRejected, RunSpec, Superseded, Wanted
from tests.cluster.conftest import Requests
from tests.cluster.ground import APPS, BATCH, LAST_LINES, Ground, following
from tests.cluster.installation import Json
from tests.cluster.runner import OpenRunner
from tests.cluster.scheduler import CPUS, TOO_LARGE
from tests.cluster.stages import Fate, image
from tests.runners.contract import NIGHTLY, all_healthy, fence, request_of

NETWORKING = "/apis/networking.k8s.io/v1"
MANY = 20
PUBLISHED: dict[str, Any] = {"port": 8000, "publish": "/"}


def wanted(fate: Fate = Fate.OK, revision: str = "one", **spec: Any) -> Wanted:
    return Wanted(image(fate), RunSpec("serve", **spec), revision)


@pytest.fixture
async def runner(open_runner: OpenRunner) -> Runner:
    found: Runner = await open_runner()
    return found


async def apply(runner: Runner, world: Ground, what: Wanted, place: int = 1, **more: Any) -> None:
    """Apply what is wanted of the component `web`, knowing what runs of it."""
    request = request_of(world.tool, what, place, **more)
    await runner.apply(request, (await runner.list(world.tool)).get(request.component))


async def up(
    runner: Runner, world: Ground, what: Wanted, place: int = 1, step: int = 0, **more: Any
) -> Running:
    """Apply it, and return what runs once that is done."""
    await apply(runner, world, what, place, step=step, **more)

    def done(found: Mapping[str, Running]) -> bool:
        running = found["web"]
        return running.fence == fence(place, step) and running.health is Health.HEALTHY

    return (await world.until(runner, world.tool, done))["web"]


async def failed(runner: Runner, world: Ground) -> Running:
    """Return what runs once that has failed."""
    found = await world.until(
        runner, world.tool, lambda found: found["web"].health is Health.FAILED
    )
    return found["web"]


async def pods_of(world: Ground, fate: Fate = Fate.OK) -> dict[str, Json]:
    """Return the Pods of a fate, by their uids; those that are going are not counted."""
    return {
        each["metadata"]["uid"]: each
        for each in await world.items(world.path("pods"))
        if image_of(each) == image(fate) and "deletionTimestamp" not in each["metadata"]
    }


def image_of(pod: Json) -> str:
    found: str = pod["spec"]["containers"][0]["image"]
    return found


def is_ready(pod: Json) -> bool:
    told = pod.get("status", {}).get("conditions", [])
    return any(each["type"] == "Ready" and each["status"] == "True" for each in told)


@asynccontextmanager
async def watched(world: Ground) -> AsyncIterator[list[Json]]:
    """Give all events of Pods from now on, those that are there first."""
    told: list[Json] = []
    async with (
        world.admin.watching(world.path("pods")) as events,
        following(events, told.append),
    ):
        yield told


@pytest.mark.parametrize("fate", [Fate.SLOW, Fate.CRASH, Fate.NO_IMAGE])
async def test_what_serves_goes_on_while_the_new_version_is_not_ready_and_when_it_is_put_back(
    runner: Runner, world: Ground, fate: Fate
) -> None:
    before = await up(runner, world, wanted(replicas=2))
    serving = await pods_of(world)
    assert len(serving) == 2
    async with watched(world) as events:
        await apply(runner, world, wanted(fate, replicas=2), 2)
        await world.admin.until(
            world.path("pods"),
            lambda event: (
                image_of(event["object"]) == image(fate)
                and "containerStatuses" in event["object"]["status"]
            ),
        )
        assert (await runner.list(world.tool))["web"].health is not Health.HEALTHY
        assert (await pods_of(world)).keys() == serving.keys()
        after = await up(runner, world, wanted(replicas=2), 2, 1, origin=1)
        assert (await pods_of(world)).keys() == serving.keys()
        of_the_old = [each for each in events if image_of(each["object"]) == image(Fate.OK)]
    assert after.started == before.started
    assert {each["object"]["metadata"]["uid"] for each in of_the_old} == serving.keys()
    assert all(each["type"] != "DELETED" and is_ready(each["object"]) for each in of_the_old)


async def test_what_is_put_back_is_what_it_was_whatever_the_template_is_by_then(
    runner: Runner, open_runner: OpenRunner, world: Ground, tmp_path: Path
) -> None:
    await up(runner, world, wanted(**PUBLISHED))
    serving = await pods_of(world)
    changed = tmp_path / "changed.yaml"
    changed.write_text(
        "command: shell\nminReadySeconds: 0\nenv: [{name: NEW, value: given}]\n"
        'publish: {kind: Ingress, host: "${tool}.example.com"}\n'
    )
    other: Runner = await open_runner(changed)
    await apply(other, world, wanted(Fate.SLOW, **PUBLISHED), 2)
    after = await up(other, world, wanted(**PUBLISHED), 2, 1, origin=1)
    assert (await pods_of(world)).keys() == serving.keys()
    assert after.url == f"https://{world.tool}.example.org/"


async def test_a_new_version_replaces_the_old_one_when_it_is_ready(
    runner: Runner, world: Ground
) -> None:
    await up(runner, world, wanted())
    await apply(runner, world, wanted(Fate.SLOW), 2)
    await world.come_up()
    found = await world.until(runner, world.tool, all_healthy)
    assert found["web"].wanted == wanted(Fate.SLOW)
    assert await pods_of(world) == {}
    assert len(await pods_of(world, Fate.SLOW)) == 1


async def test_the_same_wanted_state_starts_nothing_for_another_deployment(
    runner: Runner, world: Ground
) -> None:
    await up(runner, world, wanted(**PUBLISHED))
    serving = await pods_of(world)
    await up(runner, world, wanted(**PUBLISHED), 2)
    assert (await pods_of(world)).keys() == serving.keys()
    assert len(await world.items(world.path("replicasets", group=APPS))) == 1


async def test_a_restart_keeps_what_serves_until_the_next_one_is_ready(
    runner: Runner, world: Ground
) -> None:
    await apply(runner, world, wanted(Fate.SLOW))
    await world.come_up()
    await world.until(runner, world.tool, all_healthy)
    serving = await pods_of(world, Fate.SLOW)
    await runner.restart(world.tool, "web")
    await world.admin.until(
        world.path("pods"), lambda event: event["object"]["metadata"]["uid"] not in serving
    )
    assert serving.keys() <= (await pods_of(world, Fate.SLOW)).keys()
    await world.come_up()
    await world.until(runner, world.tool, all_healthy)
    assert not serving.keys() & (await pods_of(world, Fate.SLOW)).keys()


@pytest.mark.parametrize(
    ("kind", "group", "spec"),
    [
        ("Service", "/api/v1", {"ports": [{"port": 1}]}),
        (
            "Ingress",
            NETWORKING,
            {"defaultBackend": {"service": {"name": "x", "port": {"number": 1}}}},
        ),
    ],
)
async def test_what_leads_to_it_and_is_not_ours_is_named_and_not_touched(
    runner: Runner, world: Ground, kind: str, group: str, spec: Json
) -> None:
    path = world.path("ingresses" if kind == "Ingress" else "services", group=group)
    made = await world.make(path, {"metadata": {"name": "web"}, "spec": spec})
    with pytest.raises(RunRejected) as caught:
        await apply(runner, world, wanted(**PUBLISHED))
    assert f"{kind} 'web'" in str(caught.value)
    found = await world.object(f"{path}/web")
    assert found["metadata"]["resourceVersion"] == made["metadata"]["resourceVersion"]


async def test_what_it_no_longer_asks_for_is_taken_away(runner: Runner, world: Ground) -> None:
    services, ingresses = world.path("services"), world.path("ingresses", group=NETWORKING)
    running = await up(runner, world, wanted(**PUBLISHED))
    assert running.url == f"https://{world.tool}.example.org/"
    assert len(await world.items(services)) == len(await world.items(ingresses)) == 1
    running = await up(runner, world, wanted(port=8000), 2)
    assert running.url is None
    assert await world.items(ingresses) == []
    await up(runner, world, wanted(), 3)
    assert await world.items(services) == []


async def test_what_becomes_scheduled_leaves_nothing_behind(runner: Runner, world: Ground) -> None:
    await up(runner, world, wanted(**PUBLISHED))
    await up(runner, world, wanted(schedule=NIGHTLY), 2)
    assert await world.items(world.path("deployments", group=APPS)) == []
    assert await world.items(world.path("services")) == []
    assert await world.items(world.path("ingresses", group=NETWORKING)) == []


async def test_a_removed_component_takes_its_pods_with_it(runner: Runner, world: Ground) -> None:
    running = await up(runner, world, wanted(**PUBLISHED))
    (pod,) = (await pods_of(world)).values()
    async with world.admin.watching(
        world.path("pods"), resourceVersion=pod["metadata"]["resourceVersion"]
    ) as events:
        await runner.remove(world.tool, running, fence(2))
        await world.until(runner, world.tool, lambda found: not found)
        async for event in events:
            if event["type"] == "DELETED":
                break
    assert await world.items(world.path("services")) == []
    assert await world.items(world.path("ingresses", group=NETWORKING)) == []


async def test_a_cron_job_is_stored_as_it_is_to_run(runner: Runner, world: Ground) -> None:
    running = await up(runner, world, wanted(schedule="5 3 * * 7", timeout=600, retry=2))
    spec = (await world.object(world.path("cronjobs", "web", BATCH)))["spec"]
    assert spec["timeZone"] == "Etc/UTC"
    assert spec["concurrencyPolicy"] == "Forbid"
    assert spec["startingDeadlineSeconds"] > 0
    assert spec["successfulJobsHistoryLimit"] <= 3
    assert spec["failedJobsHistoryLimit"] <= 3
    job = spec["jobTemplate"]["spec"]
    assert (job["activeDeadlineSeconds"], job["backoffLimit"]) == (600, 2)
    limits = job["template"]["spec"]["containers"][0]["resources"]["limits"]
    assert limits.keys() == {"cpu", "memory"}
    assert running.next_run is not None
    assert (running.next_run.hour, running.next_run.minute) == (3, 5)
    assert running.next_run.isoweekday() == 7


async def test_a_scheduled_one_is_started_by_hand_and_again_when_it_has_ended(
    runner: Runner, world: Ground
) -> None:
    jobs = world.path("jobs", group=BATCH)
    await up(runner, world, wanted(Fate.SLOW, schedule=NIGHTLY))
    await runner.start(world.tool, "web")
    (job,) = await world.items(jobs)
    assert job["metadata"]["ownerReferences"][0]["kind"] == "CronJob"
    await world.come_up()

    def has_ended(event: Json) -> bool:
        return "completionTime" in event["object"].get("status", {})

    await world.admin.until(jobs, has_ended)
    assert [line async for line in runner.log(world.tool, "web")]
    await runner.start(world.tool, "web")
    assert job["metadata"]["uid"] not in {
        each["metadata"]["uid"]
        for each in await world.items(jobs)
        if not has_ended({"object": each})
    }


async def test_of_two_instances_the_one_with_the_newer_request_wins(
    runner: Runner, open_runner: OpenRunner, world: Ground
) -> None:
    other: Runner = await open_runner()
    await up(runner, world, wanted())
    known = (await runner.list(world.tool))["web"]
    requests = [request_of(world.tool, wanted(revision=f"v{n}"), n) for n in range(2, 8)]
    results = await asyncio.gather(
        *(each.apply(request, known) for request in requests for each in (runner, other)),
        return_exceptions=True,
    )
    assert results[-2:] == [None, None]
    assert {type(each) for each in results} <= {type(None), Superseded}
    running = (await world.until(runner, world.tool, all_healthy))["web"]
    assert running.wanted == requests[-1].wanted
    with pytest.raises(Superseded):
        await other.remove(world.tool, running, fence(3))


@pytest.mark.parametrize(
    ("kind", "group", "change", "named"),
    [
        ("deployments", APPS, {"spec": {"replicas": 3}}, "spec.replicas"),
        (
            "deployments",
            APPS,
            {"spec": {"template": {"metadata": {"annotations": {"theirs": "yes"}}}}},
            "theirs",
        ),
        ("services", "/api/v1", {"spec": {"selector": {"theirs": "yes"}}}, "spec.selector"),
        ("ingresses", NETWORKING, {"spec": {"ingressClassName": "x"}}, "spec.ingressClassName"),
    ],
)
async def test_what_somebody_has_changed_is_named_and_put_right(
    runner: Runner, world: Ground, kind: str, group: str, change: Json, named: str
) -> None:
    running = await up(runner, world, wanted(**PUBLISHED))
    path = world.path(kind, "web", group)
    before = (await world.object(path))["spec"]
    await world.change(path, change)
    (drift,) = (await runner.list(world.tool))["web"].drift
    assert named in drift
    assert "kubectl-edit" in drift
    running = await up(runner, world, wanted(**PUBLISHED), 2)
    assert running.drift == ()
    assert (await world.object(path))["spec"] == before


async def test_what_the_cluster_sets_itself_is_no_drift(runner: Runner, world: Ground) -> None:
    await up(runner, world, wanted(**PUBLISHED))
    await runner.restart(world.tool, "web")
    running = (await world.until(runner, world.tool, all_healthy))["web"]
    assert running.drift == ()


@pytest.mark.parametrize(
    ("hard", "named"), [({"pods": "0"}, "pods"), ({"requests.cpu": "100m"}, "requests.cpu")]
)
async def test_a_quota_that_is_used_up_is_told_in_its_words(
    runner: Runner, world: Ground, hard: dict[str, str], named: str
) -> None:
    quotas = world.path("resourcequotas")
    await world.make(quotas, {"metadata": {"name": "small"}, "spec": {"hard": hard}})
    await world.admin.until(
        quotas, lambda event: event["object"].get("status", {}).get("hard") == hard
    )
    await apply(runner, world, wanted())
    running = await failed(runner, world)
    assert "exceeded quota: small" in running.message
    assert named in running.message


async def test_its_pods_are_made_where_only_restricted_ones_may_be(
    runner: Runner, world: Ground
) -> None:
    await up(runner, world, wanted(replicas=2, **PUBLISHED))
    (pod, _) = (await pods_of(world)).values()
    assert pod["spec"]["automountServiceAccountToken"] is False
    assert pod["spec"]["enableServiceLinks"] is False


async def test_what_a_policy_denies_is_told_in_its_words(
    open_runner: OpenRunner, world: Ground, tmp_path: Path
) -> None:
    template = tmp_path / "privileged.yaml"
    template.write_text("command: argv\npodTemplate: {spec: {hostNetwork: true}}\n")
    runner: Runner = await open_runner(template)
    await apply(runner, world, wanted())
    running = await failed(runner, world)
    assert "violates PodSecurity" in running.message
    assert "hostNetwork" in running.message


async def test_a_crash_is_told_with_its_exit_code_and_the_end_of_its_log(
    runner: Runner, world: Ground
) -> None:
    await apply(runner, world, wanted(Fate.CRASH))
    running = await failed(runner, world)
    assert "exit code 1" in running.message
    assert running.message.splitlines()[-len(LAST_LINES) :] == LAST_LINES
    assert running.restarts == 3


async def test_a_crash_is_told_where_its_log_cannot_be_read(runner: Runner, world: Ground) -> None:
    world.kubelet.broken = True
    await apply(runner, world, wanted(Fate.CRASH))
    running = await failed(runner, world)
    assert "exit code 1" in running.message
    assert LAST_LINES[-1] not in running.message


async def test_what_uses_too_much_memory_is_told(runner: Runner, world: Ground) -> None:
    await apply(runner, world, wanted(Fate.OUT_OF_MEMORY))
    running = await failed(runner, world)
    assert "OOMKilled" in running.message
    assert "137" in running.message


async def test_an_image_that_cannot_be_pulled_is_told(runner: Runner, world: Ground) -> None:
    await apply(runner, world, wanted(Fate.NO_IMAGE))
    running = await failed(runner, world)
    assert image(Fate.NO_IMAGE) in running.message
    assert "ImagePullBackOff" in running.message


async def test_what_finds_no_room_is_told_and_waited_for(runner: Runner, world: Ground) -> None:
    await apply(runner, world, wanted(cpu=str(CPUS + 1)))
    found = await world.until(runner, world.tool, lambda found: TOO_LARGE in found["web"].message)
    assert found["web"].health is Health.PROGRESSING


async def test_what_is_not_up_in_time_has_failed(open_runner: OpenRunner, world: Ground) -> None:
    runner: Runner = await open_runner(run_timeout=2)
    await apply(runner, world, wanted(Fate.SLOW))
    running = await failed(runner, world)
    assert "2 s" in running.message


async def test_each_object_that_changes_costs_one_apply_and_no_more(
    runner: Runner, world: Ground, requests: Requests
) -> None:
    async def deploy(place: int) -> list[str]:
        known = await runner.list(world.tool)
        requests.since_of_tools()
        what = wanted(revision=str(place), **PUBLISHED)
        each = [request_of(world.tool, what, place, component=f"c{n}") for n in range(MANY)]
        await asyncio.gather(*(runner.apply(one, known.get(one.component)) for one in each))
        spent = requests.since_of_tools()

        def done(found: Mapping[str, Running]) -> bool:
            return all_healthy(found) and {one.fence for one in found.values()} == {fence(place)}

        await world.until(runner, world.tool, done)
        return spent

    objects = 3 * MANY
    made = await deploy(1)
    # What is created and not applied would not be ours to change: that takes one more.
    assert sorted(made) == ["create"] * objects + ["patch"] * objects
    assert await deploy(2) == ["patch"] * objects, "changed"
    assert await deploy(3) == ["patch"] * objects, "changed again"


async def test_what_runs_costs_one_list_for_each_kind(
    runner: Runner, world: Ground, requests: Requests
) -> None:
    requests_of = [
        request_of(world.tool, wanted(**PUBLISHED), component=f"c{n}") for n in range(MANY)
    ]
    await asyncio.gather(*(runner.apply(each, None) for each in requests_of))
    await world.until(runner, world.tool, all_healthy)
    requests.since_of_tools()
    await runner.list(world.tool)
    assert requests.since_of_tools() == ["list"] * 4, "Deployments, CronJobs, Services, Ingresses"
    broken = [
        request_of(world.tool, wanted(Fate.SLOW, **PUBLISHED), 2, component=f"c{n}")
        for n in range(MANY)
    ]
    await asyncio.gather(*(runner.apply(each, None) for each in broken))
    await world.until(
        runner,
        world.tool,
        lambda found: all("health check" in each.message for each in found.values()),
    )
    requests.since_of_tools()
    await runner.list(world.tool)
    assert requests.since_of_tools() == ["list"] * 6, "those, and ReplicaSets and Pods"
