"""A configuration with a `source_url` is fetched from there by each deployment."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from functools import partial
from typing import Any

import pytest
from pytest_aiohttp.plugin import AiohttpServer

from backends.addresses import connector
from backends.builders.base import BuildStatus
from backends.sources.base import SourceRejected, SourceUnavailable
from backends.sources.http import HttpFetcher
from backends.stores.base import Corrupt, DocumentState
from components.configuration.problems import InvalidConfiguration
from components.engine.configurations.documents import CONFIGURATION, Origin
from components.engine.configurations.operations import (
    Condition,
    delete_configuration,
    get_configuration,
    list_configurations,
    set_configuration,
)
from components.engine.context import Engine
from components.engine.creation.create import create_deployment, retry_deployment, roll_back
from components.engine.creation.drafts import DeployRequest
from components.engine.creation.preview import preview_deployment
from components.engine.deployments.model import Deployment
from components.engine.errors import NoConfiguration, TooManyConflicts, UnknownComponents
from tests.builders.scripted import ScriptedBuilder
from tests.engine.conftest import show_deployment
from tests.factories import TOOL, component, configuration
from tests.sources.host import SourceHost
from tests.stores.counting import CountingStore

COMMIT = "2b66fd261ee5c6cfc8de7fa466bab600bcfe4f69"


@pytest.fixture
async def host(aiohttp_server: AiohttpServer) -> SourceHost:
    host = SourceHost()
    server = await aiohttp_server(host.app())
    host.url = str(server.make_url("/tool.yaml"))
    host.give(configuration("web"), etag="one")
    return host


@pytest.fixture
async def engine(engine: Engine) -> AsyncIterator[Engine]:
    fetcher = HttpFetcher(partial(connector, private=True))
    await fetcher.open()
    yield replace(engine, fetcher=fetcher)
    await fetcher.close()


@pytest.fixture
async def given(engine: Engine, host: SourceHost) -> None:
    """The tool has a configuration that says where to fetch it from."""
    await set_configuration(engine, TOOL, {"source_url": host.url})


async def values(engine: Engine) -> list[Any]:
    return [each.value for each in (await list_configurations(engine, TOOL)).value]


def ids(deployment: Deployment) -> list[str]:
    return [build.id for build in deployment.builds.values() if build.id]


async def documents(store: CountingStore) -> list[Any]:
    found = await store.list(TOOL, CONFIGURATION, "config-history", "deployment", "queue")
    return [(each.kind, each.name, each.version) for each in found.documents]


async def test_what_was_fetched_is_deployed_and_stored_as_if_it_had_been_posted(
    engine: Engine, host: SourceHost, given: None
) -> None:
    fetched = {"components": {"z": component(), "a": component()}, "x-later": [1]}
    host.give(fetched, etag="one")
    answer = await create_deployment(engine, TOOL)
    assert answer.value.configuration == fetched
    assert answer.info == ('the configuration was fetched from its source_url: ETag "one"',)
    assert (await get_configuration(engine, TOOL)).value == fetched


async def test_the_history_says_where_it_came_from_and_which_version_it_was(
    engine: Engine, host: SourceHost, given: None
) -> None:
    await create_deployment(engine, TOOL)
    host.give(configuration("api"), etag="two")
    host.headers["X-Gitlab-Commit-Id"] = COMMIT
    answer = await create_deployment(engine, TOOL)
    assert answer.info == (f"the configuration was fetched from its source_url: commit {COMMIT}",)
    entries = (await list_configurations(engine, TOOL)).value
    assert [each.origin for each in entries] == [
        Origin(host.url, COMMIT, '"two"'),
        Origin(host.url, None, '"one"'),
        None,
    ]
    assert [each.current for each in entries] == [True, False, False]
    assert entries[2].value == {"source_url": host.url}


@pytest.mark.parametrize(
    "content",
    [
        b"components:\n  web:\n    build: {repository: 'https://git.example.org/x'}\n"
        b"    run: {command: start, memory: 1e3}\n",
        b'{"components": {"web": {"build": {"repository": "https://git.example.org/x"},'
        b' "run": {"command": "start", "memory": "1e3"}}}}',
    ],
    ids=["YAML", "JSON"],
)
async def test_it_is_read_as_yaml_or_json_by_its_content(
    engine: Engine, host: SourceHost, given: None, content: bytes
) -> None:
    host.content = content
    deployment = (await create_deployment(engine, TOOL)).value
    assert deployment.configuration["components"]["web"]["run"]["memory"] == "1e3"


async def test_each_deployment_fetches_it_again(
    engine: Engine, host: SourceHost, given: None
) -> None:
    await create_deployment(engine, TOOL)
    host.give(configuration("api"))
    assert set((await create_deployment(engine, TOOL)).value.builds) == {"api"}
    assert host.hits == 2


async def test_what_has_not_changed_is_not_written_again(
    engine: Engine, host: SourceHost, store: CountingStore, given: None
) -> None:
    await create_deployment(engine, TOOL)
    store.calls.clear()
    host.give(configuration("web"), etag="two")
    await create_deployment(engine, TOOL)
    assert len(await values(engine)) == 2
    assert (store.calls["create"], store.calls["replace"]) == (1, 1)  # the deployment's own


@pytest.mark.parametrize("names", [("web",), ("other",)], ids=["the same", "another"])
async def test_posting_a_configuration_without_source_url_ends_it(
    engine: Engine, host: SourceHost, given: None, names: tuple[str, ...]
) -> None:
    await create_deployment(engine, TOOL)
    answer = await set_configuration(engine, TOOL, configuration(*names))
    assert answer.info == (
        "deployments no longer fetch the configuration: this one has no source_url",
    )
    host.give(configuration("fetched"))
    assert set((await create_deployment(engine, TOOL)).value.builds) == set(names)
    assert host.hits == 1


async def test_posting_another_source_url_fetches_from_there(
    engine: Engine, host: SourceHost, given: None
) -> None:
    await create_deployment(engine, TOOL)
    other = f"{host.url}?other"
    answer = await set_configuration(engine, TOOL, {"source_url": other})
    assert answer.info == ()
    await create_deployment(engine, TOOL)
    entries = (await list_configurations(engine, TOOL)).value
    assert [each.origin.url if each.origin else None for each in entries] == [
        other,
        None,
        host.url,
        None,
    ]


async def test_fields_without_effect_are_warnings_of_the_deployment(
    engine: Engine, host: SourceHost, given: None
) -> None:
    host.give({**configuration(), "xyz": 1})
    answer = await create_deployment(engine, TOOL)
    assert "source_url: xyz: has no effect: unknown field" in answer.warnings


async def test_a_fetched_configuration_may_name_its_own_source_url(
    engine: Engine, host: SourceHost, given: None
) -> None:
    host.give({"source_url": host.url, **configuration()})
    assert (await create_deployment(engine, TOOL)).warnings == ()


async def test_another_source_url_in_what_was_fetched_is_not_followed(
    engine: Engine, host: SourceHost, given: None
) -> None:
    host.give({"source_url": f"{host.url}?other", **configuration("web")})
    for _ in range(2):
        answer = await create_deployment(engine, TOOL)
        assert answer.warnings == (
            "source_url: what it names has another source_url, which has no effect",
        )
    assert (await list_configurations(engine, TOOL)).value[0].origin == Origin(host.url, None, None)
    host.give({"source_url": f"{host.url}?other"})
    with pytest.raises(InvalidConfiguration, match=r"^source_url: components: is required"):
        await create_deployment(engine, TOOL)


BOMB = b"a: &a [x, x, x, x, x, x, x, x, x]\n" + b"".join(
    b"%c: &%c [%s]\n" % (new, new, b", ".join([b"*%c" % old] * 9))
    for old, new in zip(b"abcdefg", b"bcdefgh", strict=True)
)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"{}", "source_url: components: is required, and must be a mapping"),
        (b"", "source_url: the configuration must be a mapping"),
        (b"[]", "source_url: the configuration must be a mapping"),
        (b"components: {a: [}", "source_url: not valid YAML: "),
        (b'{"components": {}', "source_url: not valid YAML: "),
        (b"\xff\xfe\x00", "source_url: not UTF-8: byte 0 is 0xff"),
        (b'{"a": ' + b"[" * 100_000, "source_url: nested more than 64 levels deep"),
        (BOMB, "source_url: the configuration has more than 20000 keys and values"),
        (b"components: !!python/object/apply:os.system [ls]", "source_url: components: is a YAML"),
        (b"<html><body>Sign in</body></html>", "source_url: "),
        (b"components: {web: 1, api: 1}", "source_url: components.web: "),
    ],
)
async def test_what_is_not_a_configuration_is_an_error_and_nothing_changes(
    engine: Engine,
    host: SourceHost,
    store: CountingStore,
    given: None,
    content: bytes,
    message: str,
) -> None:
    await create_deployment(engine, TOOL)
    before = await documents(store)
    host.content = content
    with pytest.raises(InvalidConfiguration) as caught:
        await create_deployment(engine, TOOL)
    assert caught.value.messages[0].startswith(message)
    with pytest.raises(InvalidConfiguration):
        await preview_deployment(engine, TOOL, DeployRequest())
    assert await documents(store) == before


@pytest.mark.parametrize(
    ("status", "error", "message"),
    [
        (404, SourceRejected, r"^source_url: http://127.0.0.1:\d+/tool.yaml responds with 404"),
        (500, SourceUnavailable, r"^source_url: http://127.0.0.1:\d+/tool.yaml responds with 500"),
    ],
)
async def test_a_failure_to_fetch_is_an_error_and_nothing_changes(
    engine: Engine,
    host: SourceHost,
    store: CountingStore,
    given: None,
    status: int,
    error: type[Exception],
    message: str,
) -> None:
    await create_deployment(engine, TOOL)
    before = await documents(store)
    host.status = status
    with pytest.raises(error, match=message):
        await create_deployment(engine, TOOL, key="a key")
    assert await documents(store) == before


async def test_an_engine_without_a_fetcher_says_so(engine: Engine, given: None) -> None:
    without = Engine(engine.store, engine.builder)
    with pytest.raises(SourceRejected, match="source_url: this service fetches nothing"):
        await create_deployment(without, TOOL)


async def test_a_dry_run_fetches_and_validates_and_stores_nothing(
    engine: Engine, host: SourceHost, store: CountingStore, given: None
) -> None:
    before = await documents(store)
    answer = await preview_deployment(engine, TOOL, DeployRequest())
    assert set(answer.value.builds) == {"web"}
    assert answer.info[0] == 'the configuration was fetched from its source_url: ETag "one"'
    assert await documents(store) == before


async def test_some_components_of_what_was_fetched_can_be_deployed(
    engine: Engine, host: SourceHost, given: None
) -> None:
    host.give(configuration("web", "api"))
    answer = await create_deployment(engine, TOOL, DeployRequest(components=("api",)))
    assert set(answer.value.builds) == {"api"}
    with pytest.raises(UnknownComponents):
        await create_deployment(engine, TOOL, DeployRequest(components=("worker",)))


async def test_a_repeated_request_does_not_fetch_again(
    engine: Engine, host: SourceHost, given: None
) -> None:
    first = await create_deployment(engine, TOOL, key="a key")
    host.status = 500
    again = await create_deployment(engine, TOOL, key="a key")
    assert (again.value.id, host.hits) == (first.value.id, 1)


async def test_retry_and_rollback_use_what_was_deployed_and_do_not_fetch(
    engine: Engine, host: SourceHost, builder: ScriptedBuilder, given: None
) -> None:
    first = (await create_deployment(engine, TOOL)).value
    builder.becomes(BuildStatus.FINISHED, *ids(first), image="web:1")
    await show_deployment(engine, TOOL, first.id)
    host.give(configuration("later"))
    host.status = 500
    assert set((await roll_back(engine, TOOL, first.id)).value.builds) == {"web"}
    host.status = 200
    second = (await create_deployment(engine, TOOL)).value
    builder.becomes(BuildStatus.ERROR, *ids(second))
    await show_deployment(engine, TOOL, second.id)
    host.give(configuration("latest"))
    assert set((await retry_deployment(engine, TOOL, second.id)).value.builds) == {"later"}
    assert host.hits == 2


async def test_a_configuration_that_is_posted_during_the_fetch_is_not_lost(
    engine: Engine, host: SourceHost, given: None
) -> None:
    host.before = lambda: set_configuration(engine, TOOL, configuration("posted"))
    answer = await create_deployment(engine, TOOL)
    assert set(answer.value.builds) == {"posted"}
    assert await values(engine) == [configuration("posted"), {"source_url": host.url}]


async def test_a_configuration_that_is_posted_during_the_write_is_not_lost(
    engine: Engine, host: SourceHost, store: CountingStore, given: None
) -> None:
    store.before["replace"] = lambda: set_configuration(engine, TOOL, configuration("posted"))
    answer = await create_deployment(engine, TOOL)
    assert set(answer.value.builds) == {"posted"}
    assert (await get_configuration(engine, TOOL)).value == configuration("posted")


async def test_a_configuration_that_is_deleted_during_the_fetch_stays_deleted(
    engine: Engine, host: SourceHost, given: None
) -> None:
    host.before = lambda: delete_configuration(engine, TOOL)
    with pytest.raises(NoConfiguration):
        await create_deployment(engine, TOOL)
    with pytest.raises(NoConfiguration):
        await get_configuration(engine, TOOL)


async def test_a_fetch_that_always_meets_another_configuration_ends(
    engine: Engine, host: SourceHost, given: None
) -> None:
    async def change() -> None:
        await set_configuration(engine, TOOL, {"source_url": f"{host.url}?{host.hits}"})
        host.before = change

    host.before = change
    with pytest.raises(TooManyConflicts, match="configuration of tool 'mytool'"):
        await create_deployment(engine, TOOL)
    assert host.hits == 3


async def test_simultaneous_deployments_store_it_once(
    engine: Engine, host: SourceHost, given: None
) -> None:
    many = replace(engine, deployments_kept=20)
    answers = await asyncio.gather(*(create_deployment(many, TOOL) for _ in range(10)))
    assert len({each.value.id for each in answers}) == 10
    assert await values(engine) == [configuration("web"), {"source_url": host.url}]
    assert host.hits == 10


async def test_of_simultaneous_deployments_none_deploys_what_is_older_than_its_request(
    engine: Engine, host: SourceHost, given: None
) -> None:
    with host.hanging() as hit:
        first = asyncio.create_task(create_deployment(engine, TOOL))
        await hit.wait()
        host.give(configuration("later"))
        second = asyncio.create_task(create_deployment(engine, TOOL))
    assert set((await second).value.builds) == {"later"}
    await first


async def test_a_host_that_hangs_holds_no_position_in_the_queue(
    engine: Engine, host: SourceHost, given: None
) -> None:
    one = replace(engine, max_running=1)
    with host.hanging() as hit:
        hanging = asyncio.create_task(create_deployment(one, TOOL))
        await hit.wait()
        await set_configuration(one, TOOL, configuration("posted"))
        answer = await create_deployment(one, TOOL)
        assert not answer.value.queued
        hanging.cancel()
        await asyncio.wait([hanging])
    assert (await create_deployment(one, TOOL)).value.queued


async def test_the_etag_is_that_of_what_was_fetched(
    engine: Engine, host: SourceHost, given: None
) -> None:
    await create_deployment(engine, TOOL)
    etag = (await get_configuration(engine, TOOL)).etag
    condition = Condition(frozenset({etag}))
    await set_configuration(engine, TOOL, configuration("edited"), condition)
    assert (await get_configuration(engine, TOOL)).value == configuration("edited")


@pytest.mark.parametrize("origin", ["a string", 1, {"commit": "a"}, ["url"]])
async def test_an_origin_that_is_none_is_a_corrupt_document(
    engine: Engine, store: CountingStore, given: None, origin: Any
) -> None:
    read = await store.get(TOOL, CONFIGURATION, CONFIGURATION)
    await store.replace(read, {**read.data, "fetched-from": origin}, DocumentState.PLAIN)
    with pytest.raises(Corrupt):
        await create_deployment(engine, TOOL)
