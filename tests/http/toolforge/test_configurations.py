"""The configuration on the second face."""

import json

import pytest

from backends.builders.base import BuildStatus
from backends.runners.simulated import SimulatedRunner
from components.http.app import create_app
from components.settings import Settings
from tests.builders.scripted import ScriptedBuilder
from tests.factories import component, configuration, reusing
from tests.http.conftest import CONFIG as OWN_CONFIG
from tests.http.conftest import SUBJECT, Client, Serve, data_of, errors_of
from tests.http.toolforge.conftest import CONFIG, DEPLOYMENT, NAMED, ended
from tests.stores.counting import CountingStore


async def test_without_the_setting_there_is_no_second_face(serve: Serve) -> None:
    client = await serve(NAMED)
    for path in (CONFIG, "/v1/healthz"):
        await errors_of(await client.get(path), 404)


async def test_the_service_is_alive_for_everybody(serve: Serve) -> None:
    client = await serve({}, toolforge_api=True)
    assert await data_of(await client.get("/v1/healthz")) == {"status": "OK"}


async def test_a_configuration_is_stored_with_one_line_of_information(theirs: Client) -> None:
    response = await theirs.post(CONFIG, json=configuration())
    assert await data_of(response) == configuration()
    messages = (await response.json())["messages"]
    assert messages == {
        "info": ["Configuration of mytool stored successfully."],
        "warning": [],
        "error": [],
    }


async def test_a_configuration_is_returned_exactly_as_it_was_sent(theirs: Client) -> None:
    text = '{"zeta": 1.50, "components": {"b": %s, "a": %s}, "config_version": "v1beta1"}'
    sent = text % (json.dumps(component()), json.dumps(component(schedule="@daily")))
    headers = {"Content-Type": "application/json"}
    await data_of(await theirs.post(CONFIG, data=sent, headers=headers))
    response = await theirs.get(CONFIG)
    assert await data_of(response) == json.loads(sent)
    assert list((await response.json())["data"]) == ["zeta", "components", "config_version"]
    assert (await response.json())["messages"]["info"] == []


async def test_what_one_face_stores_the_other_returns(theirs: Client) -> None:
    await data_of(await theirs.post(CONFIG, json=configuration("a")))
    assert await data_of(await theirs.get(OWN_CONFIG, headers=SUBJECT)) == configuration("a")
    await data_of(await theirs.post(OWN_CONFIG, json=configuration("b"), headers=SUBJECT))
    assert await data_of(await theirs.get(CONFIG)) == configuration("b")


async def test_unknown_fields_are_warnings(theirs: Client) -> None:
    response = await theirs.post(CONFIG, json=configuration() | {"colour": "red"})
    await data_of(response)
    assert (await response.json())["messages"]["warning"] == [
        "colour: has no effect: unknown field"
    ]


async def test_an_invalid_configuration_has_its_problems_in_both_forms(theirs: Client) -> None:
    given = configuration(web=component(port=0), worker=component(replicas="two"))
    response = await theirs.post(CONFIG, json=given)
    errors = await errors_of(response, 422)
    assert errors[0] == "components.web.run.port: must be a whole number, 1 to 65535, not 0"
    detail = (await response.json())["detail"]
    assert [each["msg"] for each in detail] == errors
    assert detail[0]["loc"] == ["body", "components", "web", "run", "port"]
    assert {each["type"] for each in detail} == {"value_error"}


async def test_a_body_that_is_not_json_is_invalid(theirs: Client) -> None:
    headers = {"Content-Type": "application/json"}
    response = await theirs.post(CONFIG, data="{", headers=headers)
    (error,) = await errors_of(response, 422)
    assert error.startswith("not valid JSON:")
    assert (await response.json())["detail"][0]["loc"] == ["body"]


@pytest.mark.parametrize("method", ["GET", "DELETE"])
async def test_where_there_is_none_the_error_begins_as_clients_expect(
    theirs: Client, method: str
) -> None:
    (error,) = await errors_of(await theirs.request(method, CONFIG), 404)
    assert error.startswith("Unable to find the configuration: tool 'mytool' has no configuration")


async def test_a_deletion_returns_what_was_removed(theirs: Client) -> None:
    await data_of(await theirs.post(CONFIG, json=configuration()))
    assert await data_of(await theirs.delete(CONFIG)) == configuration()
    await errors_of(await theirs.get(CONFIG), 404)


async def test_the_storage_needs_no_rebuild(theirs: Client) -> None:
    path = f"{CONFIG}?rebuild_storage=true"
    await data_of(await theirs.post(path, json=configuration()))
    await data_of(await theirs.get(path))
    await data_of(await theirs.delete(path))
    (error,) = await errors_of(await theirs.get(f"{CONFIG}?rebuild_storage=perhaps"), 422)
    assert error == 'rebuild_storage: must be true or false, not "perhaps"'


async def test_a_configuration_is_generated_from_what_runs(
    serve: Serve, store: CountingStore, builder: ScriptedBuilder
) -> None:
    settings = Settings(toolforge_api=True)
    app = create_app(settings, store, builder, runner=SimulatedRunner(0.0))
    client = await serve(NAMED, app=app)
    given = configuration("web", worker=reusing("web"), nightly=component(schedule="@daily"))
    await data_of(await client.post(CONFIG, json=given))
    created = await data_of(await client.post(DEPLOYMENT))
    builder.becomes(BuildStatus.FINISHED, image="i:1")
    await ended(client, created["deploy_id"])
    response = await client.get(f"{CONFIG}/generate")
    generated = await data_of(response)
    assert generated["components"].keys() == given["components"].keys()
    assert generated["components"]["worker"]["build"] == {"reuse_from": "web"}
    messages = (await response.json())["messages"]
    assert messages["info"] == []
    assert messages["warning"][0] == (
        "Note that this config is an autogenerated example, please double check and validate "
        "before using it"
    )
    assert await data_of(await client.post(CONFIG, json=generated)) == generated


async def test_where_nothing_runs_the_generated_configuration_is_a_sample(theirs: Client) -> None:
    response = await theirs.get(f"{CONFIG}/generate")
    generated = await data_of(response)
    assert len(generated["components"]) == 2
    assert (await response.json())["messages"]["info"] == [
        "No components were able to be generated from your tool, a sample set of them is returned "
        "instead"
    ]
    assert await data_of(await theirs.post(CONFIG, json=generated)) == generated
