"""Alternating rounds, and what they are summed up to."""

from collections.abc import Awaitable, Callable

import pytest

from bench.rounds import Result, Round, alternate


def noting(order: list[str], name: str, value: float) -> Callable[[], Awaitable[float]]:
    async def measure() -> float:
        order.append(name)
        return value

    return measure


async def test_which_figure_comes_first_changes_from_round_to_round() -> None:
    order: list[str] = []
    await alternate(3, noting(order, "ours", 1), noting(order, "bare", 2))
    assert order == ["ours", "bare", "bare", "ours", "ours", "bare"]


async def test_each_round_has_its_own_ratio() -> None:
    result = await alternate(2, noting([], "ours", 1), noting([], "bare", 4))
    assert [each.ratio for each in result.rounds] == [0.25, 0.25]


def test_the_ratio_is_the_median_of_the_rounds_and_not_of_the_figures() -> None:
    # A machine that becomes slower by the round changes the figures, and not their ratio.
    rounds = (Round(8, 16), Round(4, 8), Round(1, 4))
    assert Result(rounds).ratio == 0.5


def test_the_spread_is_the_lowest_and_the_highest_ratio() -> None:
    assert Result((Round(1, 2), Round(1, 4), Round(3, 4))).spread == (0.25, 0.75)


@pytest.mark.parametrize(("count", "text"), [(None, ""), (50, "50 calls"), (21.5, "21.5 calls")])
def test_a_count_is_text_beside_the_figure(count: float | None, text: str) -> None:
    assert Result((), count, "calls").note == text
