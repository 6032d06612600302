"""Shared fixtures: a manual clock, a check for leaked tasks, and example configurations."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import settings as hypothesis_settings

from tests.builders.scripted import ScriptedBuilder
from tests.stores.counting import CountingStore

# A shell's background jobs ignore SIGINT, and processes that the tests start would inherit that.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

hypothesis_settings.register_profile("here", deadline=None, derandomize=True)
hypothesis_settings.load_profile("here")

ROOT = Path(__file__).parents[1]
SHARED = ROOT.parent / "shared"
"""An optional directory beside the checkout, with real data for additional tests."""

CONFIGURATIONS = [
    *sorted((ROOT / "examples/configurations").glob("*.yaml")),
    *sorted((SHARED / "configs").glob("*.yaml")),
]
NOON = datetime(2024, 4, 4, 12, tzinfo=UTC)


def unmeasured() -> dict[str, str]:
    """Return the environment without coverage, for other programs."""
    return {name: value for name, value in os.environ.items() if not name.startswith("COV")}


class HandClock:
    """A clock that stands still until a test advances it."""

    def __init__(self) -> None:
        self.time = NOON

    def __call__(self) -> datetime:
        return self.time

    def turn(self, seconds: float) -> None:
        self.time += timedelta(seconds=seconds)


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


@pytest.fixture(autouse=True)
async def no_task_is_left_behind() -> AsyncIterator[None]:
    before = asyncio.all_tasks()
    yield
    leaked = asyncio.all_tasks() - before - {asyncio.current_task()}
    assert not leaked, f"tasks still running after the test: {leaked}"


@pytest.fixture(params=CONFIGURATIONS, ids=lambda path: path.stem)
def example_configuration(request: pytest.FixtureRequest) -> Path:
    path: Path = request.param
    return path


@pytest.fixture
def store(clock: HandClock) -> CountingStore:
    return CountingStore(clock)


@pytest.fixture
async def builder() -> ScriptedBuilder:
    return ScriptedBuilder()
