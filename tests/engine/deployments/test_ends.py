"""The end of a deployment is one log line, which names the builds that did not finish."""

import asyncio
import logging

import pytest

from backends.builders.base import BuildRejected, BuildState, BuildStatus
from components.engine.context import Engine
from components.engine.creation.create import create_deployment
from components.engine.deployments.documents import DEPLOYMENT
from components.engine.deployments.ends import MAX_NAMED, MAX_REASON_LENGTH
from components.engine.deployments.operations import cancel_deployment
from components.engine.deployments.reconcile import reconcile
from components.engine.loop.refreshing import Refresher
from tests.builders.scripted import ScriptedBuilder
from tests.engine.conftest import deployed, show_deployment
from tests.factories import TOOL
from tests.stores.counting import CountingStore


@pytest.fixture(autouse=True)
def _all_levels(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)


def ends(caplog: pytest.LogCaptureFixture) -> list[tuple[str, str]]:
    """The log lines about ended deployments, by level."""
    return [
        (record.levelname, record.getMessage())
        for record in caplog.records
        if "has ended" in record.getMessage()
    ]


async def test_a_failed_deployment_is_a_warning_with_the_failed_builds(
    engine: Engine, builder: ScriptedBuilder, caplog: pytest.LogCaptureFixture
) -> None:
    created = (await deployed(engine, "web", "api")).value
    failed = builder.ids[f"{created.id}/api"]
    builder.becomes(BuildStatus.FINISHED)
    builder.builds[failed] = BuildState(failed, BuildStatus.ERROR, "no such file")
    assert ends(caplog) == []
    await show_deployment(engine, TOOL, created.id)
    assert ends(caplog) == [
        (
            "WARNING",
            f"deployment {created.id} of tool mytool has ended: ERROR: api ERROR (no such file)",
        )
    ]
    await show_deployment(engine, TOOL, created.id)
    assert len(ends(caplog)) == 1


async def test_a_finished_deployment_is_a_plain_line(
    engine: Engine, builder: ScriptedBuilder, caplog: pytest.LogCaptureFixture
) -> None:
    created = (await deployed(engine)).value
    builder.becomes(BuildStatus.FINISHED)
    await show_deployment(engine, TOOL, created.id)
    assert ends(caplog) == [("INFO", f"deployment {created.id} of tool mytool has ended: FINISHED")]


async def test_the_end_is_logged_by_one_instance(
    engine: Engine,
    store: CountingStore,
    builder: ScriptedBuilder,
    caplog: pytest.LogCaptureFixture,
) -> None:
    created = (await deployed(engine)).value
    builder.becomes(BuildStatus.FINISHED)
    document = await store.get(TOOL, DEPLOYMENT, created.id)
    await asyncio.gather(*(reconcile(engine, document) for _ in range(5)))
    assert len(ends(caplog)) == 1


async def test_a_deployment_whose_builds_are_all_rejected_is_logged(
    engine: Engine, builder: ScriptedBuilder, caplog: pytest.LogCaptureFixture
) -> None:
    builder.refusals["web"] = BuildRejected("no such repository")
    await deployed(engine)
    ((level, line),) = ends(caplog)
    assert level == "WARNING"
    assert line.endswith("web ERROR (no such repository)")


async def test_a_cancelled_deployment_is_no_warning(
    engine: Engine, builder: ScriptedBuilder, caplog: pytest.LogCaptureFixture
) -> None:
    created = (await deployed(engine)).value
    builder.becomes(BuildStatus.CANCELLED)
    refresher = Refresher(engine)
    await cancel_deployment(engine, refresher, TOOL, created.id)
    await refresher.close()
    ((level, line),) = ends(caplog)
    assert level == "INFO"
    assert "has ended: CANCELLED" in line


async def test_a_deployment_that_reuses_all_builds_ends_at_its_creation(
    engine: Engine, builder: ScriptedBuilder, caplog: pytest.LogCaptureFixture
) -> None:
    builder.commits["main"] = "0" * 40
    first = (await deployed(engine)).value
    builder.becomes(BuildStatus.FINISHED, image="image")
    await show_deployment(engine, TOOL, first.id)
    caplog.clear()
    second = (await create_deployment(engine, TOOL)).value
    assert second.id != first.id
    assert ends(caplog) == [("INFO", f"deployment {second.id} of tool mytool has ended: FINISHED")]


async def test_the_length_of_the_line_is_bounded(
    engine: Engine, builder: ScriptedBuilder, caplog: pytest.LogCaptureFixture
) -> None:
    names = tuple(f"c{number}" for number in range(200))
    builder.refusals = {name: BuildRejected("x" * 2000) for name in names}
    await deployed(engine, *names)
    ((_, line),) = ends(caplog)
    assert line.endswith("; and 190 more")
    assert len(line) < MAX_NAMED * (MAX_REASON_LENGTH + 100)
