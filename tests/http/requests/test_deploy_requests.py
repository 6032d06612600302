"""The options of a deployment: the body, the idempotency key, and the response."""

from typing import Any

import pytest

from backends.builders.base import BuildStatus
from tests.builders.scripted import ScriptedBuilder
from tests.factories import configuration
from tests.http.conftest import CONFIG, DEPLOY, Client, Serve, data_of, errors_of, warnings


@pytest.fixture
async def configured(client: Client) -> Client:
    """The service with a configuration of two components."""
    await client.post(CONFIG, json=configuration("web", "api"))
    return client


async def infos(client: Client, path: str, **sent: Any) -> list[str]:
    """Send a POST, and return the info messages of the response."""
    response = await client.post(path, **sent)
    found: list[str] = (await response.json())["messages"]["info"]
    return found


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({"force_build": True}, "force_build: is not known: did you mean 'force-build'?"),
        (
            {"xyz": 1},
            "xyz: is not known: there are components, description, dry-run, force-build, "
            "force-run, on-failure, when-busy",
        ),
        (
            {"when-busy": "wait"},
            'when-busy: must be "queue" or "supersede" or "reject", not "wait"',
        ),
        ({"when-busy": None}, "when-busy: must not be null: leave it out instead"),
        ({"force-build": 1}, "force-build: must be true or false, not 1"),
        (
            {"components": []},
            "components: must be a list of 1 to 200 component names, not 0 of them",
        ),
        (
            {"components": ["x"] * 5000},
            "components: must be a list of 1 to 200 component names, not 5000 of them",
        ),
        (
            {"components": "web"},
            'components: must be a list of 1 to 200 component names, not "web"',
        ),
        ({"components": None}, "components: must not be null: leave it out instead"),
        ({"components": ["web", 5]}, "components[1]: must be a string, not 5: put it in quotes"),
        ({"components": ["a" * 64]}, "components[0]: must have at most 63 characters, not 64"),
        ({"description": 5}, "description: must be a string, not 5: put it in quotes"),
        ({"x": ["y"] * 20_000}, "the body has more than 20000 keys and values"),
        ([], "the body must be a JSON object"),
    ],
)
async def test_errors_in_the_body_are_reported_by_path(
    configured: Client, body: Any, message: str
) -> None:
    assert await errors_of(await configured.post(DEPLOY, json=body), 400) == [message]


@pytest.mark.parametrize(
    ("data", "status", "message"),
    [
        (b"{", 400, "not valid JSON"),
        (b'{"dry-run": true, "dry-run": false}', 400, "dry-run: is a duplicate key"),
    ],
)
async def test_invalid_json_is_reported(
    configured: Client, data: bytes, status: int, message: str
) -> None:
    headers = {"Content-Type": "application/json"}
    (error,) = await errors_of(await configured.post(DEPLOY, data=data, headers=headers), status)
    assert error.startswith(message)


async def test_a_body_of_another_type_is_not_read(configured: Client) -> None:
    headers = {"Content-Type": "application/yaml"}
    await errors_of(await configured.post(DEPLOY, data=b"dry-run: true", headers=headers), 415)
    assert (await data_of(await configured.get(DEPLOY)))["deployments"] == []


@pytest.mark.parametrize("path", [CONFIG, DEPLOY, f"{DEPLOY}/latest/rollback"])
async def test_a_content_type_that_is_too_long_is_rejected(client: Client, path: str) -> None:
    headers = {"Content-Type": "application/json" + ";a=b" * 50}
    (error,) = await errors_of(await client.post(path, data=b"{}", headers=headers), 415)
    assert error == "Content-Type: must have at most 200 characters, not 216"


async def test_an_unknown_component_is_reported_with_a_suggestion(configured: Client) -> None:
    (error,) = await errors_of(await configured.post(DEPLOY, json={"components": ["wbe"]}), 422)
    assert error == "components: the configuration has no component 'wbe': did you mean 'web'?"


async def test_many_unknown_components_are_reported_in_one_short_message(
    client: Client,
) -> None:
    await client.post(CONFIG, json=configuration(*(f"c{n}" for n in range(200))))
    sent = {"components": ["c0x", *(f"unlike-{n}" for n in range(100))]}
    (error,) = await errors_of(await client.post(DEPLOY, json=sent), 422)
    assert error == (
        "components: the configuration has no component 'c0x': did you mean 'c0'?; "
        "components: the configuration has no component 'unlike-0': it has c0, c1, c2, c3, c4, "
        "c5, c6, c7, c8, c9 and 190 more; "
        "components: the configuration has no component 'unlike-1': it has c0, c1, c2, c3, c4, "
        "c5, c6, c7, c8, c9 and 190 more; "
        "nor has it 'unlike-2', 'unlike-3', 'unlike-4', 'unlike-5', 'unlike-6', 'unlike-7', "
        "'unlike-8', 'unlike-9', 'unlike-10', 'unlike-11' and 88 more"
    )


@pytest.mark.parametrize(
    ("given", "stored"),
    [
        ("the fix\n\nmore of it", "the fix"),
        ("x" * 501, "x" * 499 + "…"),
        ("a\tb \x1b[31mc\u202ed", "a b  [31mc d"),
        ("\x00\r\nthe fix", "the fix"),
    ],
)
@pytest.mark.parametrize("path", [DEPLOY, f"{DEPLOY}/latest/retry"])
async def test_a_longer_description_is_cut_to_one_line_with_a_warning(
    configured: Client, builder: ScriptedBuilder, given: str, stored: str, path: str
) -> None:
    await configured.post(DEPLOY)
    builder.becomes(BuildStatus.ERROR, "build-1")
    builder.becomes(BuildStatus.FINISHED, "build-2", image="i:2")
    await data_of(await configured.get(f"{DEPLOY}/latest"))
    response = await configured.post(path, json={"description": given})
    assert (await data_of(response, 201))["description"] == stored
    assert (await warnings(response))[0] == (
        "description: only its first line is stored, with at most 500 characters and without "
        "control characters"
    )


async def test_a_dry_run_warns_that_a_description_is_cut(configured: Client) -> None:
    sent = {"dry-run": True, "description": "one\ntwo"}
    (warning,) = await warnings(await configured.post(DEPLOY, json=sent))
    assert warning.startswith("description: only its first line is stored")


@pytest.mark.parametrize("description", ["", "the fix", "x" * 500, "\n\n the fix ✓\n", " \n"])
async def test_a_description_of_one_line_is_stored_without_a_warning(
    configured: Client, description: str
) -> None:
    response = await configured.post(DEPLOY, json={"description": description})
    assert (await data_of(response, 201))["description"] == description.strip()
    assert await warnings(response) == []


async def test_some_components_can_be_deployed_with_a_description(configured: Client) -> None:
    body = {"components": ["api"], "description": "the fix"}
    data = await data_of(await configured.post(DEPLOY, json=body), 201)
    assert list(data["builds"]) == ["api"]
    assert data["description"] == "the fix"


async def test_a_dry_run_returns_the_plan_and_stores_nothing(
    configured: Client, builder: ScriptedBuilder
) -> None:
    builder.commits["main"] = "1" * 40
    data = await data_of(await configured.post(DEPLOY, json={"dry-run": True}))
    assert data["builds"]["web"] == {
        "action": "build",
        "repository": "https://git.example.org/mytool",
        "ref": "main",
        "commit": "1" * 40,
        "reused-from": None,
        "reason": "no stored deployment has a build of this commit",
    }
    assert (await data_of(await configured.get(DEPLOY)))["deployments"] == []


async def test_a_queued_deployment_has_its_position_and_a_full_queue_is_a_conflict(
    serve: Serve,
) -> None:
    client = await serve(max_running=1, max_queued=1)
    await client.post(CONFIG, json=configuration())
    first = await data_of(await client.post(DEPLOY), 201)
    (info,) = await infos(client, DEPLOY)
    assert f"waits behind {first['deploy-id']!r}, at position 1 in the queue" in info
    waiting = await data_of(await client.get(f"{DEPLOY}/latest"))
    assert (waiting["status"], waiting["message"]) == ("PENDING", "waits for its turn")
    (error,) = await errors_of(await client.post(DEPLOY), 409)
    assert "the queue is full" in error
    (error,) = await errors_of(await client.post(DEPLOY, json={"when-busy": "reject"}), 409)
    assert first["deploy-id"] in error


async def test_a_dry_run_reports_that_the_deployment_would_wait_or_be_rejected(
    serve: Serve,
) -> None:
    client = await serve(max_running=1, max_queued=1)
    await client.post(CONFIG, json=configuration())
    await client.post(DEPLOY)
    assert "position 1 in the queue" in (await infos(client, DEPLOY, json={"dry-run": True}))[1]
    sent = {"dry-run": True, "when-busy": "supersede"}
    assert (await infos(client, DEPLOY, json=sent))[1].startswith("it supersedes 'mytool-deploy-")
    await client.post(DEPLOY)
    response = await client.post(DEPLOY, json={"dry-run": True})
    (warning,) = (await response.json())["messages"]["warning"]
    assert warning.startswith("it would be rejected now: the queue is full")


async def test_a_request_with_the_same_idempotency_key_returns_the_same_deployment(
    configured: Client,
) -> None:
    headers = {"Idempotency-Key": "one"}
    first, second = [await configured.post(DEPLOY, headers=headers) for _ in range(2)]
    assert first.headers["Location"] == second.headers["Location"]
    assert await data_of(first, 201) == await data_of(second, 201)
    (error,) = await errors_of(
        await configured.post(DEPLOY, headers=headers, json={"force-build": True}), 422
    )
    assert "was used for another request" in error


@pytest.mark.parametrize("key", ["", "x" * 256, "with space", "\xf8"])
async def test_an_invalid_idempotency_key_is_a_bad_request(configured: Client, key: str) -> None:
    (error,) = await errors_of(await configured.post(DEPLOY, headers={"Idempotency-Key": key}), 400)
    assert error.startswith("Idempotency-Key: must be given once")


async def test_a_failed_deployment_can_be_retried_and_a_finished_one_rolled_back_to(
    configured: Client, builder: ScriptedBuilder
) -> None:
    first = await data_of(await configured.post(DEPLOY), 201)
    builder.becomes(BuildStatus.ERROR, "build-2")
    builder.becomes(BuildStatus.FINISHED, "build-1", image="i:1")
    failed = f"{DEPLOY}/{first['deploy-id']}"
    assert (await data_of(await configured.get(failed)))["status"] == "ERROR"
    (error,) = await errors_of(await configured.post(f"{failed}/rollback"), 409)
    assert "you can roll back only to a FINISHED one" in error
    response = await configured.post(f"{failed}/retry", json={"description": "again"})
    second = await data_of(response, 201)
    assert second["builds"]["web"]["reused-from"] == first["deploy-id"]
    assert second["builds"]["api"]["status"] == "PENDING"
    assert response.headers["Location"] == f"{DEPLOY}/{second['deploy-id']}"
    builder.becomes(BuildStatus.FINISHED, "build-3", image="i:2")
    finished = f"{DEPLOY}/{second['deploy-id']}"
    while (await data_of(await configured.get(f"{finished}?wait=5")))["status"] != "FINISHED":
        pass
    third = await data_of(await configured.post(f"{finished}/rollback"), 201)
    assert third["status"] == "FINISHED"
    assert third["builds"]["api"]["image"] == "i:2"
    (error,) = await errors_of(await configured.post(f"{finished}/retry"), 409)
    assert "nothing to retry" in error


@pytest.mark.parametrize("what", ["retry", "rollback"])
async def test_a_retry_and_a_rollback_accept_fewer_options(configured: Client, what: str) -> None:
    await configured.post(DEPLOY)
    path = f"{DEPLOY}/latest/{what}"
    (error,) = await errors_of(await configured.post(path, json={"force-build": True}), 400)
    assert error.startswith("force-build: is not known")
    await errors_of(await configured.post(f"{DEPLOY}/x/{what}"), 404)
