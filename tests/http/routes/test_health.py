"""Liveness and readiness."""

import asyncio
from contextlib import suppress

import pytest

from backends.builders.base import BuilderUnavailable
from backends.runners.base import RunnerUnavailable
from backends.stores.base import Unavailable
from components.engine.context import Engine
from components.engine.health import CACHE_SECONDS, PING_SECONDS, HealthCheck
from components.engine.loop.scheduling import MAX_PER_TOOL
from components.http.keys import STOPPING
from tests.builders.hanging import HangingBuilder
from tests.builders.scripted import ScriptedBuilder
from tests.conftest import HandClock
from tests.factories import configuration
from tests.http.conftest import CONFIG, DEPLOY, Client, Serve, data_of, errors_of
from tests.runners.scripted import ScriptedRunner
from tests.stores.counting import CountingStore


async def test_liveness_calls_no_backend(client: Client, store: CountingStore) -> None:
    assert await data_of(await client.get("/healthz")) == {"status": "alive"}
    assert not store.calls


async def test_the_service_is_ready_when_the_store_responds(client: Client) -> None:
    data = await data_of(await client.get("/readyz"))
    assert data == {
        "status": "ready",
        "store": "answers",
        "builder": "answers",
        "runner": "answers",
        "background": "is running",
        "background-round-age-seconds": pytest.approx(0, abs=5),
        "background-lag-seconds": 0,
    }


async def test_readiness_reports_the_lag_of_the_background_loop(serve: Serve) -> None:
    builder = HangingBuilder()
    client = await serve(using=builder)
    await client.post(CONFIG, json=configuration())
    for _ in range(MAX_PER_TOOL + 1):
        await data_of(await client.post(DEPLOY), 201)
    builder.hanging.add("get")
    async with asyncio.timeout(20):
        while not (await data_of(await client.get("/readyz")))["background-lag-seconds"]:
            pass


async def test_the_service_is_not_ready_during_shutdown(client: Client) -> None:
    client.app[STOPPING].set()
    (error,) = await errors_of(await client.get("/readyz"), 503)
    assert "shutting down" in error


async def test_the_service_is_not_ready_when_the_store_does_not_respond(
    client: Client, store: CountingStore
) -> None:
    async def fail() -> None:
        raise Unavailable("connection refused")

    store.before["ping"] = fail
    assert await errors_of(await client.get("/readyz"), 503) == ["connection refused"]


async def test_readiness_reports_a_builder_that_does_not_respond(
    client: Client, builder: ScriptedBuilder
) -> None:
    builder.outage = BuilderUnavailable("connection refused")
    data = await data_of(await client.get("/readyz"))
    assert data["builder"] == "unavailable: connection refused"


@pytest.mark.looptime
async def test_the_check_of_the_store_has_a_timeout(
    builder: ScriptedBuilder, store: CountingStore
) -> None:
    builder.gate.clear()
    store.before["ping"] = builder.ping
    with pytest.raises(Unavailable, match=f"within {PING_SECONDS:g} s"):
        await HealthCheck(Engine(store, builder)).ready()


@pytest.mark.looptime
async def test_the_check_of_the_builder_has_a_timeout(
    builder: ScriptedBuilder, store: CountingStore
) -> None:
    builder.gate.clear()
    assert (
        await HealthCheck(Engine(store, builder)).ready()
    ).builder == "did not respond within 5 s"


@pytest.mark.parametrize(
    ("outage", "state"),
    [(None, "answers"), (RunnerUnavailable("refused"), "unavailable: refused")],
)
async def test_the_state_of_the_runner_is_reported(
    outage: Exception | None,
    state: str,
    store: CountingStore,
    builder: ScriptedBuilder,
    clock: HandClock,
) -> None:
    runner = ScriptedRunner(clock)
    runner.outage = outage
    health = HealthCheck(Engine(store, builder, runner=runner))
    assert (await health.ready()).runner == state
    await health.close()


async def test_an_unexpected_error_of_the_builder_is_reported_and_logged(
    client: Client, builder: ScriptedBuilder, caplog: pytest.LogCaptureFixture
) -> None:
    builder.outage = RuntimeError("secret")  # type: ignore[assignment]
    data = await data_of(await client.get("/readyz"))
    assert data["builder"] == "the check failed"
    assert "secret" in caplog.text


async def test_an_unexpected_error_of_the_store_is_a_503(
    client: Client, store: CountingStore, caplog: pytest.LogCaptureFixture
) -> None:
    async def fail() -> None:
        raise RuntimeError("secret")

    store.before["ping"] = fail
    assert await errors_of(await client.get("/readyz"), 503) == ["the store check failed"]
    assert "secret" in caplog.text


async def test_concurrent_readiness_requests_share_one_check(
    client: Client, store: CountingStore, builder: ScriptedBuilder
) -> None:
    builder.gate.clear()
    asking = [asyncio.create_task(client.get("/readyz")) for _ in range(50)]
    await builder.until_waiting(1)
    builder.gate.set()
    answers = await asyncio.gather(*asking)
    assert {each.status for each in answers} == {200}
    assert store.calls["ping"] == 1
    assert builder.pings == 1


@pytest.mark.looptime
@pytest.mark.parametrize("broken", [False, True])
async def test_readiness_checks_the_backends_once_a_second_also_while_they_fail(
    store: CountingStore, builder: ScriptedBuilder, broken: bool
) -> None:
    async def fail() -> None:
        store.before["ping"] = fail
        raise Unavailable("connection refused")

    if broken:
        store.before["ping"] = fail
        builder.outage = BuilderUnavailable("connection refused")
    health = HealthCheck(Engine(store, builder))
    for _ in range(3):
        for _ in range(10):
            with suppress(Unavailable):
                await health.ready()
        await asyncio.sleep(CACHE_SECONDS)  # which looptime lets pass at once
    assert store.calls["ping"] == builder.pings == 3
    await health.close()
