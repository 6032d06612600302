"""A deployment that has ended leaves one line in the log, which says what did not finish."""

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
    """The lines about ends, by level."""
    return [
        (record.levelname, record.getMessage())
        for record in caplog.records
        if "has ended" in record.getMessage()
    ]


async def test_one_that_fails_is_a_warning_with_what_failed(
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


async def test_one_that_finishes_is_a_line_without_more(
    engine: Engine, builder: ScriptedBuilder, caplog: pytest.LogCaptureFixture
) -> None:
    created = (await deployed(engine)).value
    builder.becomes(BuildStatus.FINISHED)
    await show_deployment(engine, TOOL, created.id)
    assert ends(caplog) == [("INFO", f"deployment {created.id} of tool mytool has ended: FINISHED")]


async def test_of_several_who_see_the_end_one_tells(
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


async def test_one_whose_builds_are_all_rejected_has_ended_too(
    engine: Engine, builder: ScriptedBuilder, caplog: pytest.LogCaptureFixture
) -> None:
    builder.refusals["web"] = BuildRejected("no such repository")
    await deployed(engine)
    ((level, line),) = ends(caplog)
    assert level == "WARNING"
    assert line.endswith("web ERROR (no such repository)")


async def test_one_that_is_cancelled_is_no_warning(
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


async def test_one_that_reuses_all_ends_when_it_is_made(
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


async def test_however_many_fail_the_line_has_a_bound(
    engine: Engine, builder: ScriptedBuilder, caplog: pytest.LogCaptureFixture
) -> None:
    names = tuple(f"c{number}" for number in range(200))
    builder.refusals = {name: BuildRejected("x" * 2000) for name in names}
    await deployed(engine, *names)
    ((_, line),) = ends(caplog)
    assert line.endswith("; and 190 more")
    assert len(line) < MAX_NAMED * (MAX_REASON_LENGTH + 100)
