"""The check fails on a regression, and only on one."""

import pytest

from bench.rounds import Result, Round
from bench.row import Better, Row
from bench.selection import ROWS, named
from bench.store_calls import store_calls
from bench.table import Line
from bench.thresholds import (
    LEAST_COUNTS,
    MOST_COUNTS,
    RATIOS,
    STORE_CALLS,
    TOLERANCE,
    call_problems,
    problems,
)

BY_NAME = {row.name: row for row in ROWS}


def line(row: Row, ratio: float, count: float | None = None) -> Line:
    return Line(row, Result((Round(ratio, 1.0),), count, "calls"))


@pytest.mark.parametrize("name", RATIOS)
def test_a_ratio_that_is_worse_than_half_of_what_is_reached_is_a_problem(name: str) -> None:
    row, reached = BY_NAME[name], RATIOS[name]
    factor = 1 / TOLERANCE if row.better is Better.HIGHER else TOLERANCE
    worse = 0.99 if row.better is Better.HIGHER else 1.01
    (problem,) = problems(line(row, reached * factor * worse))
    assert problem.startswith(f"{name}: the ratio is ")
    assert list(problems(line(row, reached * factor))) == []


def test_fewer_launches_in_flight_are_a_problem() -> None:
    assert list(problems(line(BY_NAME["launch-50"], 1.3, count=50))) == []
    assert list(problems(line(BY_NAME["launch-50"], 1.3, count=20))) == [
        "launch-50: 20 calls, and at least 50 are demanded"
    ]


def test_more_calls_to_the_api_server_are_a_problem() -> None:
    assert list(problems(line(BY_NAME["kubernetes-deploy"], 1.3, count=4))) == []
    assert list(problems(line(BY_NAME["kubernetes-deploy"], 1.3, count=5))) == [
        "kubernetes-deploy: 5 calls, and at most 4 are allowed"
    ]


def test_a_row_that_cannot_be_measured_here_is_no_problem() -> None:
    assert list(problems(Line(BY_NAME["get-config"], skipped="there is no server"))) == []


async def test_no_request_makes_more_calls_to_the_store_than_is_allowed() -> None:
    calls = await store_calls()
    assert calls == dict(STORE_CALLS)
    more = {name: number + 1 for name, number in calls.items()}
    assert len(list(call_problems(more))) == len(calls)


def test_each_threshold_belongs_to_a_row() -> None:
    assert {*RATIOS, *LEAST_COUNTS, *MOST_COUNTS} <= BY_NAME.keys()


def test_each_row_has_a_name_of_its_own() -> None:
    assert len(BY_NAME) == len(ROWS)


def test_rows_are_chosen_by_the_beginning_of_their_names() -> None:
    assert [row.name for row in named(["kubernetes-d", "healthz"])] == [
        "healthz", "kubernetes-deployment", "kubernetes-deploy",
    ]  # fmt: skip


def test_a_name_that_no_row_has_is_answered_with_all_names() -> None:
    with pytest.raises(ValueError, match="there is no row 'nothing'; there are: get-config, "):
        named(["nothing"])
