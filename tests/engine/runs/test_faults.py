"""Whatever call of a rollout fails, and however: it ends well, and nothing is done twice."""

from collections.abc import Iterator
from random import Random

import pytest

from backends.runners.base import Origin, Wanted
from components.engine.deployments.model import Deployment, OnFailure
from components.engine.runs.model import RunAction
from components.engine.runs.wanted import wanted_of
from tests.engine.runs.faults import CONDITIONAL, Fault, World
from tests.engine.runs.scenarios import FINISHED, SCENARIOS, Scenario
from tests.factories import TOOL

WRITES = (*CONDITIONAL, "apply", "remove")
LONGEST_GAP = 8
each_scenario = pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda each: each.name)


@each_scenario
async def test_one_fault_at_any_call_of_a_rollout_changes_nothing(scenario: Scenario) -> None:
    before = await prepared(scenario)
    for at, call in enumerate(await calls_of(scenario, before)):
        for fault in faults_at(call):
            await happened(scenario, before, {at: fault})


@each_scenario
async def test_a_second_fault_soon_after_one_at_a_write_changes_nothing(
    scenario: Scenario,
) -> None:
    before, random = await prepared(scenario), Random(scenario.name)
    calls = await calls_of(scenario, before)
    writes = [at for at, call in enumerate(calls) if is_write(call)]
    for gap in range(1, LONGEST_GAP + 1):
        for at in writes[gap % 4 :: 4]:
            fault, second = random.choice(list(faults_at(calls[at]))), random.choice(list(Fault))
            await happened(scenario, before, {at: fault, at + gap: second})


async def prepared(scenario: Scenario) -> World:
    """Return a world before a scenario."""
    world = World()
    await scenario.before(world)
    await world.end()
    return world


async def calls_of(scenario: Scenario, before: World) -> list[str]:
    """Return the calls of a scenario in which nothing fails."""
    return (await happened(scenario, before, {})).calls


def is_write(call: str) -> bool:
    return call.partition(".")[2] in WRITES


def faults_at(call: str) -> Iterator[Fault]:
    """Yield what can happen at a call; to fail after one that only reads is to fail before it."""
    yield from (Fault.BEFORE, Fault.STOP_BEFORE)
    if is_write(call):
        yield from (Fault.AFTER, Fault.LATE, Fault.STOP_AFTER, Fault.MEANWHILE)
    if call.partition(".")[2] in CONDITIONAL:
        yield Fault.CONFLICT


async def happened(scenario: Scenario, before: World, faults: dict[int, Fault]) -> World:
    """Return a world after a scenario has happened with these faults; all is as it should be."""
    world = await before.copy(scenario.limit)
    world.faults = faults
    await scenario.way(world)
    await world.end()
    found, runner = await world.deployments(), world.runner
    assert tuple(each.status for each in found) == scenario.ends, world.happened
    for step in (step for each in found for step in each.steps):
        assert (step.claim, step.doubt, step.stop) == (None, None, None), world.happened
    listing = await runner.list(TOOL)
    running = {name: (each.wanted, each.origin) for name, each in listing.items()}
    assert running == said(found), world.happened
    assert not runner.restarted, world.happened
    # A start that comes late may have to be ended once more.
    if Fault.LATE not in faults.values():
        for name, fences in runner.carried_out.items():
            assert fences == sorted(fences), f"an older {name} came back: {world.happened}"
        assert len(runner.started) == len(set(runner.started)), f"started twice: {world.happened}"
    return world


def said(deployments: list[Deployment]) -> dict[str, tuple[Wanted, Origin]]:
    """Return what is to run after these deployments."""
    result: dict[str, tuple[Wanted, Origin]] = {}
    for each in deployments:
        if each.status is not FINISHED and each.on_failure is OnFailure.PUT_BACK:
            continue
        if each.status is FINISHED:
            left = (name for name, run in each.runs.items() if run.action is RunAction.LEAVE)
            result = {name: result[name] for name in left}
        for name, run in each.runs.items():
            if run.changes:
                origin = Origin(each.id, each.builds[name].commit)
                result[name] = wanted_of(each, name, run), origin
    return result
