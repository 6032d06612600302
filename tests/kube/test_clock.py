"""The API server's clock, as closely as its answers tell it."""

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backends.kube.clock import ServerClock

START = datetime(2024, 4, 4, 12, tzinfo=UTC)


class Machine:
    """This machine's own clock, which started when a test did."""

    def __init__(self) -> None:
        self.seconds = 1000.0

    def __call__(self) -> float:
        return self.seconds


@pytest.fixture
def machine() -> Machine:
    return Machine()


@pytest.fixture
def clock(machine: Machine) -> ServerClock:
    return ServerClock(machine)


def header(time: datetime) -> str:
    """A time as a `Date` header has it."""
    return format_datetime(time.replace(microsecond=0), usegmt=True)


def test_nothing_is_known_at_first(clock: ServerClock) -> None:
    assert not clock.known


def test_one_answer_tells_it_to_a_second(clock: ServerClock, machine: Machine) -> None:
    clock.observe(header(START), machine(), machine())
    assert clock.known
    assert abs(clock.now() - START) <= timedelta(seconds=1)
    assert clock.now().tzinfo is UTC


def test_it_goes_on_with_this_machines_own_clock(clock: ServerClock, machine: Machine) -> None:
    clock.observe(header(START), machine(), machine())
    before = clock.now()
    machine.seconds += 60
    assert clock.now() - before == timedelta(minutes=1)


@given(st.lists(st.floats(0.01, 3), min_size=1, max_size=50), st.floats(0, 0.999))
def test_it_is_never_further_off_than_a_second_and_never_goes_back(
    pauses: list[float], fraction: float
) -> None:
    machine = Machine()
    clock = ServerClock(machine)
    offset = START + timedelta(seconds=fraction) - timedelta(seconds=machine())
    latest = None
    for pause in pauses:
        machine.seconds += pause
        truth = offset + timedelta(seconds=machine())
        clock.observe(header(truth), machine(), machine())
        now = clock.now()
        assert abs(now - truth) <= timedelta(seconds=1)
        assert latest is None or now >= latest
        latest = now


def test_many_answers_tell_it_more_closely_than_one(clock: ServerClock, machine: Machine) -> None:
    offset = START + timedelta(seconds=0.3) - timedelta(seconds=machine())
    for _ in range(100):
        machine.seconds += 0.37
        clock.observe(header(offset + timedelta(seconds=machine())), machine(), machine())
    assert abs(clock.now() - (offset + timedelta(seconds=machine()))) < timedelta(seconds=0.05)


def test_an_answer_that_contradicts_the_others_is_believed(
    clock: ServerClock, machine: Machine
) -> None:
    clock.observe(header(START), machine(), machine())
    clock.observe(header(START + timedelta(hours=1)), machine(), machine())
    assert clock.now() - START >= timedelta(hours=1)


def test_a_wrong_answer_is_taken_back_by_the_next_right_one(
    clock: ServerClock, machine: Machine
) -> None:
    clock.observe(header(START + timedelta(days=1)), machine(), machine())
    clock.now()
    clock.observe(header(START), machine(), machine())
    assert abs(clock.now() - START) <= timedelta(seconds=1)


@pytest.mark.parametrize("text", ["", "yesterday", "Thu, 99 Apr 2024 12:00:00 GMT"])
def test_a_header_that_is_no_date_is_passed_over(
    clock: ServerClock, machine: Machine, text: str
) -> None:
    clock.observe(text, machine(), machine())
    assert not clock.known
