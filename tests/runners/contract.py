"""What every runner does. A runner's tests subclass this and say how to make one.

`RunnerContract` is for all. `MarkingRunnerContract` adds what holds where what runs carries what it
came from; `BackedRunnerContract`, what holds where it has objects besides which others may make,
change and take away, on a platform that can be away itself.
"""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from datetime import timedelta

import pytest

from backends.runners.base import (
    Fence,
    Health,
    NothingRuns,
    Origin,
    Runner,
    RunnerUnavailable,
    Running,
    RunRejected,
    RunRequest,
    RunSpec,
    Superseded,
    Wanted,
)
from tests.conftest import NOON

MANY = 50
NIGHTLY = "0 3 * * *"


def fence(place: int, step: int = 0) -> Fence:
    """Return the fence of the deployment at a place in the order of all."""
    return Fence(NOON + timedelta(seconds=place), f"deploy-{place}", step)


def request_of(
    tool: str,
    wanted: Wanted,
    place: int = 1,
    step: int = 0,
    component: str = "web",
    origin: int = 0,
) -> RunRequest:
    """Return a request of the deployment at a place; `origin` is another one's that is put back."""
    made_by = Origin(f"deploy-{origin or place}", f"{origin or place:040x}")
    return RunRequest(tool, component, wanted, made_by, fence(place, step))


def all_healthy(found: Mapping[str, Running]) -> bool:
    """Return whether everything that runs is healthy."""
    return all(each.health is Health.HEALTHY for each in found.values())


class RunnerContract(ABC):
    """The behaviour of a runner, one test for each; `runner` is a fixture, and so is `tool`."""

    @pytest.fixture
    async def runner(self) -> Runner:
        raise NotImplementedError

    @pytest.fixture
    def tool(self) -> str:
        """A tool of which nothing runs."""
        return "mytool"

    @pytest.fixture
    def other_tool(self) -> str:
        """Another one."""
        return "another-tool"

    @abstractmethod
    async def until(
        self, runner: Runner, tool: str, seen: Callable[[Mapping[str, Running]], bool]
    ) -> Mapping[str, Running]:
        """Return the first list in which something is seen, waiting as this runner allows."""

    @abstractmethod
    async def come_up(self, tool: str, component: str) -> None:
        """Let a component come up that was made with `slow`."""

    def wanted(self, revision: str = "one", schedule: str | None = None) -> Wanted:
        """Return what comes up by itself."""
        return Wanted("registry.invalid/ok:1", RunSpec("serve", schedule), revision)

    @abstractmethod
    def slow(self, revision: str = "slow", replicas: int | None = None) -> Wanted:
        """Return what is not up before `come_up` is called."""

    @abstractmethod
    def crashing(self) -> Wanted:
        """Return what crashes each time that it is started."""

    def listed(self, wanted: Wanted) -> Wanted:
        """Return a wanted state as it is listed."""
        return wanted

    def known(self, running: Running | None) -> Running | None:
        """Return what is listed, with what else the engine knows of it."""
        return running

    def is_carried_out(self, runner: Runner, running: Running, request: RunRequest) -> bool:
        """Return whether what runs is what a request asked for."""
        return running.fence == request.fence

    async def up(self, runner: Runner, request: RunRequest) -> Running:
        """Apply a request, and return what runs once it is healthy."""
        await self.again(runner, request)
        return await self.healthy(runner, request)

    async def healthy(self, runner: Runner, request: RunRequest) -> Running:
        """Return what runs once a request has been carried out."""

        def done(found: Mapping[str, Running]) -> bool:
            running = found.get(request.component)
            return (
                running is not None
                and self.is_carried_out(runner, running, request)
                and running.health is Health.HEALTHY
            )

        return (await self.until(runner, request.tool, done))[request.component]

    async def again(self, runner: Runner, request: RunRequest) -> None:
        """Apply a request to what runs now."""
        found = await runner.list(request.tool)
        await runner.apply(request, self.known(found.get(request.component)))

    async def test_of_a_tool_that_never_ran_nothing_runs(self, runner: Runner, tool: str) -> None:
        assert await runner.list(tool) == {}

    async def test_what_was_applied_is_listed_as_it_was_asked_for(
        self, runner: Runner, tool: str
    ) -> None:
        request = request_of(tool, self.wanted())
        await runner.apply(request, None)
        (running,) = (await runner.list(tool)).values()
        assert running.component == "web"
        assert running.wanted == self.listed(request.wanted)
        assert running.replicas == 1
        assert running.drift == ()

    async def test_every_field_of_a_run_part_comes_back(self, runner: Runner, tool: str) -> None:
        spec = RunSpec(
            "serve --now",
            cpu="500m",
            memory="1Gi",
            mount="none",
            port=8000,
            port_protocol="tcp",
            replicas=2,
            health_check_http="/health",
        )
        wanted = Wanted(self.wanted().image, spec, "one")
        running = await self.up(runner, request_of(tool, wanted))
        assert running.wanted == self.listed(wanted)
        assert (running.ready, running.replicas) == (2, 2)

    async def test_a_rollout_is_progressing_and_then_healthy(
        self, runner: Runner, tool: str
    ) -> None:
        request = request_of(tool, self.slow())
        await runner.apply(request, None)
        running = (await runner.list(tool))["web"]
        assert running.health is Health.PROGRESSING
        assert running.ready == 0
        await self.come_up(tool, "web")
        running = await self.healthy(runner, request)
        assert running.ready == running.replicas == 1
        assert running.started is not None
        assert running.message == ""

    async def test_what_crashes_has_failed_and_says_how(self, runner: Runner, tool: str) -> None:
        await runner.apply(request_of(tool, self.crashing()), None)
        found = await self.until(
            runner, tool, lambda found: found["web"].health is not Health.PROGRESSING
        )
        assert found["web"].health is Health.FAILED
        assert "exit code 1" in found["web"].message
        assert found["web"].ready == 0

    async def test_the_same_request_twice_is_carried_out_once(
        self, runner: Runner, tool: str
    ) -> None:
        request = request_of(tool, self.wanted())
        before = await self.up(runner, request)
        await runner.apply(request, None)
        await runner.apply(request, self.known(before))
        after = await self.healthy(runner, request)
        assert after == before

    async def test_the_same_request_at_once_is_carried_out_once(
        self, runner: Runner, tool: str
    ) -> None:
        request = request_of(tool, self.wanted())
        await asyncio.gather(*(runner.apply(request, None) for _ in range(3)))
        running = await self.healthy(runner, request)
        assert running.replicas == 1

    async def test_another_revision_of_the_same_is_started(self, runner: Runner, tool: str) -> None:
        await self.up(runner, request_of(tool, self.wanted()))
        second = request_of(tool, self.slow("one"), 2)
        await self.again(runner, second)
        await self.come_up(tool, "web")
        await self.healthy(runner, second)
        third = request_of(tool, self.slow("two"), 3)
        await self.again(runner, third)
        assert (await runner.list(tool))["web"].health is Health.PROGRESSING
        await self.come_up(tool, "web")
        running = await self.healthy(runner, third)
        assert running.wanted == self.listed(third.wanted)

    async def test_the_same_wanted_state_is_left_running(self, runner: Runner, tool: str) -> None:
        before = await self.up(runner, request_of(tool, self.wanted()))
        after = await self.up(runner, request_of(tool, self.wanted(), 2))
        assert after.started == before.started

    async def test_what_ran_before_can_be_put_back(self, runner: Runner, tool: str) -> None:
        before = await self.up(runner, request_of(tool, self.wanted()))
        await self.again(runner, request_of(tool, self.crashing(), 2))
        await self.until(runner, tool, lambda found: found["web"].health is Health.FAILED)
        after = await self.up(runner, request_of(tool, self.wanted(), 2, 1, origin=1))
        assert after.wanted == before.wanted
        assert after.message == ""

    async def test_what_is_removed_is_gone(self, runner: Runner, tool: str) -> None:
        running = await self.up(runner, request_of(tool, self.wanted()))
        await runner.remove(tool, running)
        await self.until(runner, tool, lambda found: not found)

    async def test_what_is_removed_for_a_deployment_is_gone(
        self, runner: Runner, tool: str
    ) -> None:
        running = await self.up(runner, request_of(tool, self.wanted()))
        await runner.remove(tool, running, fence(2))
        await self.until(runner, tool, lambda found: not found)

    async def test_removing_does_not_touch_what_else_runs(self, runner: Runner, tool: str) -> None:
        running = await self.up(runner, request_of(tool, self.wanted()))
        other = await self.up(runner, request_of(tool, self.wanted(), component="other"))
        await runner.remove(tool, running)
        assert await self.until(runner, tool, lambda found: len(found) == 1) == {"other": other}

    async def test_what_is_gone_is_removed_again(self, runner: Runner, tool: str) -> None:
        running = await self.up(runner, request_of(tool, self.wanted()))
        await runner.remove(tool, running)
        await self.until(runner, tool, lambda found: not found)
        await runner.remove(tool, running)
        await runner.remove(tool, running, fence(2))

    async def test_what_was_removed_can_run_again(self, runner: Runner, tool: str) -> None:
        await runner.remove(tool, await self.up(runner, request_of(tool, self.wanted())))
        await self.until(runner, tool, lambda found: not found)
        await self.up(runner, request_of(tool, self.wanted(), 2))

    async def test_a_tool_has_only_what_is_its_own(
        self, runner: Runner, tool: str, other_tool: str
    ) -> None:
        running = await self.up(runner, request_of(tool, self.wanted()))
        assert await runner.list(other_tool) == {}
        await runner.remove(other_tool, running)
        with pytest.raises(NothingRuns):
            await runner.restart(other_tool, "web")
        assert await runner.list(tool) == {"web": running}

    async def test_a_scheduled_one_is_healthy_and_says_when_it_runs_next(
        self, runner: Runner, tool: str
    ) -> None:
        request = request_of(tool, self.wanted(schedule=NIGHTLY), component="nightly")
        running = await self.up(runner, request)
        assert running.wanted == self.listed(request.wanted)
        assert running.next_run is not None
        assert (running.next_run.hour, running.next_run.minute) == (3, 0)

    async def test_a_scheduled_one_is_put_back(self, runner: Runner, tool: str) -> None:
        await self.up(runner, request_of(tool, self.wanted(schedule=NIGHTLY)))
        await self.up(runner, request_of(tool, self.wanted("two", schedule="0 4 * * *"), 2))
        back = request_of(tool, self.wanted(schedule=NIGHTLY), 2, 1, origin=1)
        running = await self.up(runner, back)
        assert running.wanted == self.listed(back.wanted)
        assert running.next_run is not None
        assert running.next_run.hour == 3

    async def test_a_continuous_one_becomes_scheduled_and_continuous_again(
        self, runner: Runner, tool: str
    ) -> None:
        for place, schedule in ((1, None), (2, NIGHTLY), (3, None)):
            request = request_of(tool, self.wanted(schedule=schedule), place)
            running = await self.up(runner, request)
            assert running.wanted == self.listed(request.wanted)

    async def test_a_restart_starts_the_same_again(self, runner: Runner, tool: str) -> None:
        request = request_of(tool, self.slow())
        await runner.apply(request, None)
        await self.come_up(tool, "web")
        await self.healthy(runner, request)
        await runner.restart(tool, "web")
        running = (await runner.list(tool))["web"]
        assert running.health is Health.PROGRESSING
        await self.come_up(tool, "web")
        running = await self.healthy(runner, request)
        assert running.wanted == self.listed(request.wanted)
        assert running.drift == ()

    async def test_the_next_deployment_leaves_what_was_restarted_alone(
        self, runner: Runner, tool: str
    ) -> None:
        await self.up(runner, request_of(tool, self.wanted()))
        await runner.restart(tool, "web")
        before = (await self.until(runner, tool, all_healthy))["web"]
        after = await self.up(runner, request_of(tool, self.wanted(), 2))
        assert after.started == before.started

    async def test_a_scheduled_one_is_not_restarted(self, runner: Runner, tool: str) -> None:
        await self.up(runner, request_of(tool, self.wanted(schedule=NIGHTLY)))
        with pytest.raises(RunRejected) as caught:
            await runner.restart(tool, "web")
        assert str(caught.value)

    async def test_a_scheduled_one_is_started_once_at_a_time(
        self, runner: Runner, tool: str
    ) -> None:
        scheduled = Wanted(self.slow().image, RunSpec("serve", NIGHTLY))
        await self.up(runner, request_of(tool, scheduled))
        await runner.start(tool, "web")
        with pytest.raises(RunRejected):
            await runner.start(tool, "web")

    async def test_a_continuous_one_is_not_started(self, runner: Runner, tool: str) -> None:
        await self.up(runner, request_of(tool, self.wanted()))
        with pytest.raises(RunRejected):
            await runner.start(tool, "web")

    async def test_what_does_not_run_is_neither_restarted_nor_started_and_has_no_log(
        self, runner: Runner, tool: str
    ) -> None:
        with pytest.raises(NothingRuns):
            await runner.restart(tool, "web")
        with pytest.raises(NothingRuns):
            await runner.start(tool, "web")
        with pytest.raises(NothingRuns):
            await anext(runner.log(tool, "web"))

    async def test_what_runs_has_a_log(self, runner: Runner, tool: str) -> None:
        await self.up(runner, request_of(tool, self.wanted()))
        lines = [line async for line in runner.log(tool, "web")]
        assert lines
        assert not any("\n" in line for line in lines)

    async def test_a_log_can_be_left_while_it_is_followed(self, runner: Runner, tool: str) -> None:
        await self.up(runner, request_of(tool, self.wanted()))
        lines = runner.log(tool, "web", follow=True)
        assert await anext(lines)
        await lines.aclose()  # type: ignore[attr-defined]

    async def test_fifty_at_once_all_come_up(self, runner: Runner, tool: str) -> None:
        requests = [request_of(tool, self.wanted(), component=f"c{n}") for n in range(MANY)]
        await asyncio.gather(*(runner.apply(each, None) for each in requests))
        found = await self.until(runner, tool, all_healthy)
        assert found.keys() == {each.component for each in requests}

    async def test_it_answers(self, runner: Runner) -> None:
        await runner.ping()

    async def test_it_can_be_closed_with_rollouts_in_flight(
        self, runner: Runner, tool: str
    ) -> None:
        await runner.apply(request_of(tool, self.slow()), None)
        await runner.close()


class MarkingRunnerContract(RunnerContract):
    """What holds of a runner of which all that runs carries what it came from."""

    async def test_what_runs_carries_what_it_came_from(self, runner: Runner, tool: str) -> None:
        request = request_of(tool, self.wanted())
        await runner.apply(request, None)
        (running,) = (await runner.list(tool)).values()
        assert runner.marks
        assert running.marked
        assert running.origin == request.origin
        assert running.fence == request.fence

    async def test_the_restarts_of_what_crashes_are_counted(
        self, runner: Runner, tool: str
    ) -> None:
        await runner.apply(request_of(tool, self.crashing()), None)
        found = await self.until(
            runner, tool, lambda found: found["web"].health is not Health.PROGRESSING
        )
        assert found["web"].restarts > 0

    async def test_an_older_request_changes_nothing(self, runner: Runner, tool: str) -> None:
        newer = await self.up(runner, request_of(tool, self.wanted("newer"), 2))
        for known in (None, newer):
            with pytest.raises(Superseded):
                await runner.apply(request_of(tool, self.wanted("older")), known)
        assert await runner.list(tool) == {"web": newer}

    async def test_an_older_request_changes_nothing_where_the_same_is_wanted(
        self, runner: Runner, tool: str
    ) -> None:
        newer = await self.up(runner, request_of(tool, self.wanted(), 2))
        with pytest.raises(Superseded):
            await runner.apply(request_of(tool, self.wanted()), newer)
        assert await runner.list(tool) == {"web": newer}

    async def test_an_older_request_does_not_know_of_the_newer_one(
        self, runner: Runner, tool: str
    ) -> None:
        oldest = await self.up(runner, request_of(tool, self.wanted("oldest"), 1))
        newer = await self.up(runner, request_of(tool, self.wanted("newer"), 3))
        with pytest.raises(Superseded):
            await runner.apply(request_of(tool, self.wanted("older"), 2), oldest)
        assert await runner.list(tool) == {"web": newer}

    async def test_of_requests_at_once_the_newest_wins(self, runner: Runner, tool: str) -> None:
        requests = [request_of(tool, self.wanted(f"v{n}"), n) for n in range(1, 6)]
        results = await asyncio.gather(
            *(runner.apply(each, None) for each in requests), return_exceptions=True
        )
        assert [each for each in results if each and not isinstance(each, Superseded)] == []
        assert results[-1] is None
        running = await self.healthy(runner, requests[-1])
        assert running.wanted == requests[-1].wanted

    async def test_what_ran_before_is_put_back_as_it_was(self, runner: Runner, tool: str) -> None:
        before = await self.up(runner, request_of(tool, self.wanted()))
        await self.again(runner, request_of(tool, self.slow(), 2))
        back = request_of(tool, self.wanted(), 2, 1, origin=1)
        await self.again(runner, back)
        after = await self.healthy(runner, back)
        assert after.wanted == before.wanted
        assert after.origin == before.origin
        assert after.started == before.started

    async def test_what_was_put_back_is_not_replaced_by_a_late_request(
        self, runner: Runner, tool: str
    ) -> None:
        await self.up(runner, request_of(tool, self.wanted()))
        broken = request_of(tool, self.slow(), 2)
        await self.again(runner, broken)
        known = (await runner.list(tool))["web"]
        back = request_of(tool, self.wanted(), 2, 1, origin=1)
        await self.again(runner, back)
        with pytest.raises(Superseded):
            await runner.apply(broken, known)
        assert (await self.healthy(runner, back)).wanted == back.wanted

    async def test_a_crash_is_put_back(self, runner: Runner, tool: str) -> None:
        before = await self.up(runner, request_of(tool, self.wanted()))
        await self.again(runner, request_of(tool, self.crashing(), 2))
        await self.until(runner, tool, lambda found: found["web"].health is Health.FAILED)
        back = request_of(tool, self.wanted(), 2, 1, origin=1)
        await self.again(runner, back)
        after = await self.healthy(runner, back)
        assert after.started == before.started
        assert after.message == ""

    async def test_an_older_deployment_removes_nothing(self, runner: Runner, tool: str) -> None:
        older = await self.up(runner, request_of(tool, self.wanted("older"), 1))
        newer = await self.up(runner, request_of(tool, self.wanted("newer"), 3))
        for known in (older, newer):
            with pytest.raises(Superseded):
                await runner.remove(tool, known, fence(2))
        assert await runner.list(tool) == {"web": newer}

    async def test_the_same_wanted_state_is_left_running_for_another_deployment(
        self, runner: Runner, tool: str
    ) -> None:
        before = await self.up(runner, request_of(tool, self.wanted()))
        request = request_of(tool, self.wanted(), 2)
        after = await self.up(runner, request)
        assert after.origin == request.origin
        assert after.started == before.started


class BackedRunnerContract(MarkingRunnerContract):
    """What holds of a runner whose objects others can make, change and take away."""

    @abstractmethod
    async def make_foreign(self, tool: str, component: str, schedule: str | None = None) -> None:
        """Make what a component would be, as somebody else."""

    @abstractmethod
    async def foreign_is_untouched(self, tool: str, component: str) -> bool:
        """Return whether what `make_foreign` made is as it was."""

    @abstractmethod
    async def change(self, tool: str, component: str) -> None:
        """Change what runs of a component, as somebody else; it goes on."""

    @abstractmethod
    async def lose(self, tool: str, component: str) -> None:
        """Take away what runs of a component, as somebody else."""

    @abstractmethod
    async def cut_off(self, runner: Runner) -> None:
        """Let the platform be away from now on."""

    @pytest.mark.parametrize("schedule", [None, NIGHTLY])
    async def test_what_somebody_else_made_is_named_and_not_touched(
        self, runner: Runner, tool: str, schedule: str | None
    ) -> None:
        await self.make_foreign(tool, "web", schedule)
        with pytest.raises(RunRejected) as caught:
            await runner.apply(request_of(tool, self.wanted(schedule=schedule)), None)
        assert "web" in str(caught.value)
        assert await self.foreign_is_untouched(tool, "web")

    async def test_what_somebody_else_made_is_not_listed_nor_restarted(
        self, runner: Runner, tool: str
    ) -> None:
        await self.make_foreign(tool, "web")
        assert await runner.list(tool) == {}
        with pytest.raises(NothingRuns):
            await runner.restart(tool, "web")
        with pytest.raises(NothingRuns):
            await anext(runner.log(tool, "web"))
        assert await self.foreign_is_untouched(tool, "web")

    async def test_what_somebody_else_made_in_its_place_is_not_removed(
        self, runner: Runner, tool: str
    ) -> None:
        running = await self.up(runner, request_of(tool, self.wanted()))
        await self.lose(tool, "web")
        await self.make_foreign(tool, "web")
        await runner.remove(tool, running)
        await runner.remove(tool, running, fence(2))
        assert await self.foreign_is_untouched(tool, "web")

    async def test_what_somebody_has_changed_is_told_and_put_right_by_the_next_request(
        self, runner: Runner, tool: str
    ) -> None:
        await self.up(runner, request_of(tool, self.wanted()))
        await self.change(tool, "web")
        changed = (await runner.list(tool))["web"]
        assert changed.drift
        assert changed.wanted == self.wanted()
        running = await self.up(runner, request_of(tool, self.wanted(), 2))
        assert running.drift == ()

    async def test_what_was_taken_away_does_not_run_and_is_made_anew(
        self, runner: Runner, tool: str
    ) -> None:
        known = await self.up(runner, request_of(tool, self.wanted()))
        await self.lose(tool, "web")
        assert await self.until(runner, tool, lambda found: not found) == {}
        request = request_of(tool, self.wanted(), 2)
        await runner.apply(request, known)
        await self.healthy(runner, request)

    async def test_without_its_platform_a_runner_is_unavailable(
        self, runner: Runner, tool: str
    ) -> None:
        running = await self.up(runner, request_of(tool, self.wanted()))
        await self.cut_off(runner)
        calls = (
            runner.list(tool),
            runner.apply(request_of(tool, self.wanted(), 2), running),
            runner.remove(tool, running),
            runner.restart(tool, "web"),
            runner.ping(),
        )
        for each in await asyncio.gather(*calls, return_exceptions=True):
            assert isinstance(each, RunnerUnavailable)
