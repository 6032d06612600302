"""Deployments on the second face."""

import asyncio
import re
from http import HTTPStatus

import pytest

from backends.builders.base import BuilderUnavailable, BuildState, BuildStatus
from components.engine.queue.state import WhenBusy
from tests.builders.scripted import ScriptedBuilder
from tests.factories import configuration, reusing
from tests.http.conftest import DEPLOY as OWN_DEPLOY
from tests.http.conftest import SUBJECT, Client, Serve, data_of, errors_of
from tests.http.toolforge.conftest import CONFIG, DEPLOYMENT, NAMED, ended


async def configured(client: Client, *names: str) -> None:
    await data_of(await client.post(CONFIG, json=configuration(*names)))


@pytest.fixture
async def limited(serve: Serve) -> Client:
    """The second face of a service that lets one deployment run at a time."""
    client = await serve(NAMED, toolforge_api=True, max_running=1)
    await configured(client, "web")
    return client


async def test_a_new_deployment_is_200_and_says_so_first(theirs: Client) -> None:
    await configured(theirs, "web")
    response = await theirs.post(DEPLOYMENT)
    assert response.status == HTTPStatus.OK
    info = (await response.json())["messages"]["info"]
    assert info[0] == "Deployment for mytool created successfully."


async def test_the_id_and_the_time_are_of_the_same_deployment(theirs: Client) -> None:
    await configured(theirs, "web")
    data = await data_of(await theirs.post(DEPLOYMENT))
    assert re.fullmatch(r"[0-9]{8}-[0-9]{6}", data["creation_time"])
    assert data["creation_time"].replace("-", "") in data["deploy_id"]
    own = await data_of(await theirs.get(f"{OWN_DEPLOY}/{data['deploy_id']}", headers=SUBJECT))
    assert own["creation-time"].startswith(
        f"{data['creation_time'][:4]}-{data['creation_time'][4:6]}-"
    )


async def test_builds_that_are_needed_are_told_from_those_that_are_not(
    theirs: Client, builder: ScriptedBuilder
) -> None:
    given = configuration("web", worker=reusing("web"))
    await data_of(await theirs.post(CONFIG, json=given))
    builder.refusals["web"] = BuilderUnavailable("it is away")
    data = await data_of(await theirs.post(DEPLOYMENT))
    assert data["status"] == "pending"
    assert data["builds"] == {
        "web": {
            "build_id": "no-id-yet",
            "build_status": "pending",
            "build_image": "no-image-yet",
            "build_long_status": "waits for the builder: it is away",
        },
        "worker": {
            "build_id": "no-build-needed",
            "build_status": "skipped",
            "build_image": "no-image-yet",
            "build_long_status": "reuses the build of 'web'",
        },
    }


async def test_a_commit_that_is_built_already_is_skipped_with_the_id_of_that_build(
    theirs: Client, builder: ScriptedBuilder
) -> None:
    await configured(theirs, "web")
    builder.commits["main"] = "a" * 40
    await data_of(await theirs.post(DEPLOYMENT))
    builder.builds["build-1"] = BuildState(
        "build-1", BuildStatus.FINISHED, image="i:1", commit="a" * 40
    )
    first = await data_of(await theirs.get(f"{DEPLOYMENT}/latest"))
    assert first["builds"]["web"]["build_status"] == "successful"
    second = await data_of(await theirs.post(DEPLOYMENT))
    build = second["builds"]["web"]
    assert (build["build_id"], build["build_status"]) == ("build-1", "skipped")
    assert build["build_image"] == "i:1"
    forced = await data_of(await theirs.post(f"{DEPLOYMENT}?force-build=true"))
    assert forced["builds"]["web"]["build_id"] == "build-2"
    assert (second["force_build"], forced["force_build"]) == (False, True)


async def test_the_options_of_the_query_are_shown(theirs: Client) -> None:
    await configured(theirs, "web")
    query = "force-build=true&force-run=true&rebuild_storage=false"
    created = await data_of(await theirs.post(f"{DEPLOYMENT}?{query}"))
    shown = await data_of(await theirs.get(f"{DEPLOYMENT}/{created['deploy_id']}"))
    assert (shown["force_build"], shown["force_run"]) == (True, True)
    (error,) = await errors_of(await theirs.post(f"{DEPLOYMENT}?force-run=perhaps"), 422)
    assert error == 'force-run: must be true or false, not "perhaps"'


async def test_a_description_is_kept(theirs: Client) -> None:
    await configured(theirs, "web")
    await data_of(await theirs.post(DEPLOYMENT, json={"description": "Deploy T1: a try"}))
    (shown,) = (await data_of(await theirs.get(DEPLOYMENT)))["deployments"]
    assert shown["description"] == "Deploy T1: a try"


async def test_a_deployment_needs_no_body_and_ignores_what_a_forge_sends(theirs: Client) -> None:
    await configured(theirs, "web")
    assert (await data_of(await theirs.post(DEPLOYMENT, json=None)))["description"] == ""
    headers = {"Content-Type": "application/json"}
    await data_of(await theirs.post(DEPLOYMENT, data="null", headers=headers))
    pushed = {"object_kind": "push", "project": {"description": "theirs"}}
    response = await theirs.post(DEPLOYMENT, json=pushed)
    assert (await data_of(response))["description"] == ""
    assert (await response.json())["messages"]["warning"] == [
        "unknown fields of the body have no effect: 'object_kind', 'project'"
    ]


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("[]", "the body must be a JSON object, not a list"),
        ('{"description": 7}', "description: must be a string, not 7"),
        ("{", "not valid JSON: Expecting property name"),
        ('{"a": 1, "a": 2}', "a: is a duplicate key: keep one"),
    ],
)
async def test_a_body_of_another_form_is_invalid(theirs: Client, body: str, expected: str) -> None:
    headers = {"Content-Type": "application/json"}
    (error,) = await errors_of(await theirs.post(DEPLOYMENT, data=body, headers=headers), 422)
    assert error.startswith(expected)


async def test_without_a_configuration_there_is_nothing_to_deploy(theirs: Client) -> None:
    (error,) = await errors_of(await theirs.post(DEPLOYMENT), 404)
    assert error.startswith("Unable to find the configuration")


async def test_the_list_has_the_oldest_first_whichever_face_made_them(theirs: Client) -> None:
    assert await data_of(await theirs.get(DEPLOYMENT)) == {"deployments": []}
    await configured(theirs, "web")
    one = (await data_of(await theirs.post(DEPLOYMENT)))["deploy_id"]
    two = (await data_of(await theirs.post(OWN_DEPLOY, headers=SUBJECT), 201))["deploy-id"]
    three = (await data_of(await theirs.post(DEPLOYMENT)))["deploy_id"]
    listed = (await data_of(await theirs.get(DEPLOYMENT)))["deployments"]
    assert [each["deploy_id"] for each in listed] == [one, two, three]
    own = (await data_of(await theirs.get(OWN_DEPLOY, headers=SUBJECT)))["deployments"]
    assert [each["deploy-id"] for each in own] == [three, two, one]
    latest = await data_of(await theirs.get(f"{DEPLOYMENT}/latest"))
    assert latest["deploy_id"] == three


async def test_a_deployment_shows_the_configuration_that_it_deploys(theirs: Client) -> None:
    await configured(theirs, "web")
    created = await data_of(await theirs.post(DEPLOYMENT))
    await configured(theirs, "other")
    shown = await data_of(await theirs.get(f"{DEPLOYMENT}/{created['deploy_id']}"))
    assert shown["tool_config"] == configuration("web")


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/latest"),
        ("GET", "/mytool-deploy-20240404120000-1"),
        ("GET", "/nothing"),
        ("DELETE", "/nothing"),
        ("PUT", "/nothing/cancel"),
        ("PUT", "/latest/cancel"),
    ],
)
async def test_a_deployment_that_is_not_there_is_not_found(
    theirs: Client, method: str, path: str
) -> None:
    (error,) = await errors_of(await theirs.request(method, f"{DEPLOYMENT}{path}"), 404)
    assert error.startswith("Unable to find the deployment: tool 'mytool' has no deployment")


@pytest.mark.parametrize("name", ["latest", "id"])
async def test_what_runs_can_be_cancelled_and_what_has_ended_cannot(
    theirs: Client, builder: ScriptedBuilder, name: str
) -> None:
    await configured(theirs, "web")
    deploy_id = (await data_of(await theirs.post(DEPLOYMENT)))["deploy_id"]
    path = f"{DEPLOYMENT}/{'latest' if name == 'latest' else deploy_id}"
    assert (await data_of(await theirs.put(f"{path}/cancel")))["status"] == "cancelling"
    assert (await data_of(await theirs.get(path)))["status"] == "cancelling"
    builder.becomes(BuildStatus.CANCELLED)
    found = await ended(theirs, deploy_id)
    assert (found["status"], found["builds"]["web"]["build_status"]) == ("cancelled", "cancelled")
    (error,) = await errors_of(await theirs.put(f"{path}/cancel"), 409)
    assert error == f"deployment {deploy_id!r} has ended already, so it cannot be cancelled"


async def test_a_cancellation_is_under_way_in_its_own_answer_even_if_it_is_done(
    limited: Client,
) -> None:
    await data_of(await limited.post(OWN_DEPLOY, headers=SUBJECT), 201)
    waiting = await data_of(await limited.post(OWN_DEPLOY, headers=SUBJECT), 201)
    path = f"{DEPLOYMENT}/{waiting['deploy-id']}"
    assert (await data_of(await limited.put(f"{path}/cancel")))["status"] == "cancelling"
    assert (await data_of(await limited.get(path)))["status"] == "cancelled"


async def test_the_published_parameter_of_cancelling_the_latest_has_no_effect(
    theirs: Client,
) -> None:
    await configured(theirs, "web")
    await data_of(await theirs.post(DEPLOYMENT))
    await data_of(await theirs.put(f"{DEPLOYMENT}/latest/cancel?deployment_id=another"))


async def test_a_deployment_is_deleted_in_any_state_and_its_builds_are_left_alone(
    theirs: Client, builder: ScriptedBuilder
) -> None:
    await configured(theirs, "web")
    running = await data_of(await theirs.post(DEPLOYMENT))
    path = f"{DEPLOYMENT}/{running['deploy_id']}"
    deleted = await data_of(await theirs.delete(path))
    assert deleted["deploy_id"] == running["deploy_id"]
    assert not builder.cancelled
    await errors_of(await theirs.get(path), 404)
    await errors_of(await theirs.delete(path), 404)
    second = (await data_of(await theirs.post(DEPLOYMENT)))["deploy_id"]
    builder.becomes(BuildStatus.FINISHED)
    await ended(theirs, second)
    assert (await data_of(await theirs.delete(f"{DEPLOYMENT}/{second}")))["status"] == "successful"


async def test_over_the_limit_a_deployment_is_refused(limited: Client) -> None:
    first = (await data_of(await limited.post(DEPLOYMENT)))["deploy_id"]
    (error,) = await errors_of(await limited.post(DEPLOYMENT), 409)
    assert error == (
        f"deployment {first!r} is in progress: wait until it has ended, or cancel it, and then "
        "deploy again"
    )


async def test_of_many_at_the_same_time_one_is_accepted(limited: Client) -> None:
    answers = await asyncio.gather(*(limited.post(DEPLOYMENT) for _ in range(20)))
    assert sorted(each.status for each in answers) == [200] + [409] * 19
    assert len((await data_of(await limited.get(DEPLOYMENT)))["deployments"]) == 1


async def test_where_the_operator_wants_it_a_deployment_waits_and_says_so(serve: Serve) -> None:
    queueing = {"toolforge_when_busy": WhenBusy.QUEUE, "max_running": 1, "max_queued": 1}
    client = await serve(NAMED, toolforge_api=True, **queueing)
    await configured(client, "web")
    first = await data_of(await client.post(DEPLOYMENT))
    response = await client.post(DEPLOYMENT)
    second = await data_of(response)
    assert second["status"] == "pending"
    assert second["long_status"].startswith("Waits for its turn")
    info = (await response.json())["messages"]["info"]
    assert info == [
        "Deployment for mytool created successfully.",
        f"{second['deploy_id']!r} waits behind {first['deploy_id']!r}, at position 1 in the queue",
    ]
    (error,) = await errors_of(await client.post(DEPLOYMENT), 409)
    assert error == (
        "1 deployments wait already: wait until one has started, or cancel one, and then deploy "
        "again"
    )


async def test_where_the_operator_wants_it_the_newest_takes_the_place_of_others(
    serve: Serve,
) -> None:
    superseding = {"toolforge_when_busy": WhenBusy.SUPERSEDE, "max_running": 1}
    client = await serve(NAMED, toolforge_api=True, **superseding)
    await configured(client, "web")
    first = await data_of(await client.post(DEPLOYMENT))
    second = await data_of(await client.post(DEPLOYMENT))
    shown = await data_of(await client.get(f"{DEPLOYMENT}/{first['deploy_id']}"))
    assert shown["status"] == "cancelling"
    assert second["deploy_id"] in shown["long_status"]
