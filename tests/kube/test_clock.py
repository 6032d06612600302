"""The API servers' clock, estimated from their responses, some of which are wrong."""

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backends.kube.clock import JUMP_SECONDS, MAX_SKEW_SECONDS, ServerClock

START = datetime(2024, 4, 4, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
SECOND = timedelta(seconds=1)


class Machine:
    """A simulated machine: its elapsed time, and its own wall clock."""

    def __init__(self, off: timedelta = timedelta(0)) -> None:
        self.seconds = 1000.0
        self.off = off

    def elapsed(self) -> float:
        return self.seconds

    def truth(self) -> datetime:
        """The true time."""
        return START + timedelta(seconds=self.seconds - 1000)

    def own(self) -> datetime:
        return self.truth() + self.off

    def clock(self) -> ServerClock:
        return ServerClock(self.elapsed, self.own)

    def respond(self, clock: ServerClock, off: timedelta = timedelta(0)) -> None:
        """Let an API server respond whose clock is off by `off`."""
        date = format_datetime((self.truth() + off).replace(microsecond=0), usegmt=True)
        clock.observe(date, self.seconds, self.seconds)


@pytest.fixture
def machine() -> Machine:
    return Machine()


@pytest.fixture
def clock(machine: Machine) -> ServerClock:
    return machine.clock()


def test_the_time_is_unknown_at_first(clock: ServerClock) -> None:
    assert not clock.known
    assert not clock.settled
    with pytest.raises(RuntimeError, match="not known"):
        clock.now()


def test_one_response_gives_the_time_to_a_second(clock: ServerClock, machine: Machine) -> None:
    machine.respond(clock)
    assert clock.settled
    assert abs(clock.now() - START) <= SECOND
    assert clock.now().tzinfo is UTC


def test_the_time_continues_with_this_machines_clock(clock: ServerClock, machine: Machine) -> None:
    machine.respond(clock)
    before = clock.now()
    machine.seconds += 60
    assert clock.now() - before == timedelta(minutes=1)


@given(st.lists(st.floats(0.01, 3), min_size=1, max_size=50), st.floats(0, 0.999))
def test_the_time_is_within_a_second_and_never_goes_back(
    pauses: list[float], fraction: float
) -> None:
    machine = Machine()
    clock = machine.clock()
    machine.seconds += fraction
    latest = None
    for pause in pauses:
        machine.seconds += pause
        machine.respond(clock)
        now = clock.now()
        assert abs(now - machine.truth()) <= SECOND
        assert latest is None or now >= latest
        latest = now


def test_many_responses_give_a_closer_time_than_one(clock: ServerClock, machine: Machine) -> None:
    for _ in range(100):
        machine.seconds += 0.37
        machine.respond(clock)
    assert abs(clock.now() - machine.truth()) < timedelta(seconds=0.05)


@given(
    st.lists(st.tuples(st.floats(0.01, 20), st.integers(0, 2)), min_size=1, max_size=100),
    st.floats(-1e6, 1e6).filter(lambda off: abs(off) > 2 * MAX_SKEW_SECONDS),
)
def test_one_wrong_server_of_three_is_never_trusted(
    rounds: list[tuple[float, int]], off: float
) -> None:
    """In each round the three servers respond once, beginning with any of them."""
    machine = Machine()
    clock = machine.clock()
    for pause, first in rounds:
        for server in range(3):
            machine.seconds += pause
            is_wrong = (first + server) % 3 == 0
            machine.respond(clock, timedelta(seconds=off) if is_wrong else timedelta(0))
            assert clock.settled is not is_wrong
            if clock.known:
                assert abs(clock.now() - machine.truth()) <= SECOND
    assert clock.steady_for() == timedelta.max


@given(st.floats(0.01, 20), st.integers(0, 2), st.sampled_from([-HOUR, HOUR, timedelta(days=-400)]))
def test_a_wrong_server_is_not_trusted_if_this_machine_is_wrong_too(
    pause: float, first: int, off: timedelta
) -> None:
    machine = Machine(off=timedelta(minutes=7))
    clock = machine.clock()
    for turn in range(30):
        machine.seconds += pause
        machine.respond(clock, off if (first + turn) % 3 == 0 else timedelta(0))
        if clock.known:
            assert abs(clock.now() - machine.truth()) <= SECOND
        assert clock.known or turn < 9


def test_if_this_machines_clock_is_wrong_it_takes_five_responses(machine: Machine) -> None:
    machine.off = HOUR
    clock = machine.clock()
    for _ in range(4):
        machine.respond(clock)
        assert not clock.known
    machine.respond(clock)
    assert clock.settled
    assert abs(clock.now() - START) <= SECOND


def test_a_wrong_first_response_is_corrected_by_others(machine: Machine) -> None:
    machine.off = HOUR
    clock = machine.clock()
    machine.respond(clock, HOUR)  # this machine and that server are wrong by the same amount
    assert clock.settled
    for turn in range(100):
        machine.seconds += 1
        machine.respond(clock, HOUR if turn % 3 == 2 else timedelta(0))
    assert abs(clock.now() - machine.truth()) <= SECOND
    assert clock.steady_for() < timedelta(seconds=100)


@given(st.floats(0.01, 20), st.sampled_from([-HOUR, HOUR]))
def test_a_jump_is_trusted_after_a_while_of_agreement(pause: float, jump: timedelta) -> None:
    machine = Machine()
    clock = machine.clock()
    for _ in range(100):
        machine.seconds += pause
        machine.respond(clock)
    began = machine.seconds
    machine.seconds += pause
    while not clock.settled or machine.seconds == began + pause:
        machine.respond(clock, jump)
        if machine.seconds - began < JUMP_SECONDS:
            assert not clock.settled
            assert abs(clock.now() - machine.truth()) <= SECOND
        machine.seconds += pause
        assert machine.seconds - began < 200
    assert abs(clock.now() - machine.truth() - jump) <= SECOND
    assert clock.steady_for() <= timedelta(seconds=2 * pause)
    machine.seconds += 60
    assert clock.steady_for() >= timedelta(seconds=60)


def test_the_time_is_uncertain_after_the_machine_was_paused(
    clock: ServerClock, machine: Machine
) -> None:
    """Like a virtual machine paused by its host: none of its clocks see the time pass."""
    machine.respond(clock)
    machine.respond(clock, timedelta(seconds=70))
    assert not clock.settled


def test_a_response_that_agrees_again_settles_the_clock(
    clock: ServerClock, machine: Machine
) -> None:
    machine.respond(clock)
    machine.respond(clock, HOUR)
    assert not clock.settled
    machine.respond(clock)
    assert clock.settled


def test_servers_with_a_small_skew_are_all_trusted(clock: ServerClock, machine: Machine) -> None:
    latest = START - HOUR
    for turn in range(60):
        machine.seconds += 1
        machine.respond(clock, timedelta(seconds=3 * (turn % 2)))
        assert clock.settled
        assert abs(clock.now() - machine.truth()) <= timedelta(seconds=4)
        assert clock.now() >= latest
        latest = clock.now()


@pytest.mark.parametrize("text", ["", "yesterday", "Thu, 99 Apr 2024 12:00:00 GMT"])
def test_an_invalid_date_header_is_ignored(clock: ServerClock, machine: Machine, text: str) -> None:
    clock.observe(text, machine.seconds, machine.seconds)
    assert not clock.known
