"""The table, its JSON, and the comparison with an earlier run."""

from pathlib import Path

import pytest

from bench.context import Bench
from bench.rounds import Result, Round
from bench.row import Better, Row, Unit
from bench.table import Line, as_json, figure, ratios, text


async def measure(bench: Bench) -> Result:
    raise NotImplementedError


ROW = Row("reading", "GET it", "bare", Unit.RATE, Better.HIGHER, "0.5", measure)
LINE = Line(ROW, Result((Round(100, 400), Round(200, 400), Round(120, 400)), 4, "calls"))
SKIPPED = Line(ROW, skipped="there is no server")


def cells(table: str) -> list[str]:
    """Return the cells of the first row of a table."""
    return [each.strip() for each in table.splitlines()[2].strip("|").split("|")]


def test_a_row_shows_the_figures_their_ratio_and_its_spread() -> None:
    assert cells(text([LINE])) == [
        "GET it", "120/s, 4 calls", "400/s", "0.300", "0.250 to 0.500", "0.5", "bare",
    ]  # fmt: skip


def test_a_row_that_cannot_be_measured_says_why() -> None:
    assert "skipped: there is no server" in cells(text([SKIPPED]))


def test_an_earlier_run_is_shown_beside_each_ratio(tmp_path: Path) -> None:
    earlier = tmp_path / "earlier.json"
    earlier.write_text(as_json([LINE], {}))
    faster = Line(ROW, Result((Round(240, 400),)))
    assert cells(text([faster], ratios(earlier)))[-2:] == ["0.300", "x 2.00"]


def test_a_row_that_is_new_or_was_skipped_has_nothing_to_be_compared_with(tmp_path: Path) -> None:
    earlier = tmp_path / "earlier.json"
    earlier.write_text(as_json([SKIPPED], {}))
    assert cells(text([LINE], ratios(earlier)))[-2:] == ["", ""]


@pytest.mark.parametrize(
    ("value", "unit", "shown"),
    [
        (40_123.4, Unit.RATE, "40,123/s"),
        (0.00725, Unit.SECONDS, "7.25 ms"),
        (1.5, Unit.SECONDS, "1.50 s"),
        (339e-6, Unit.MICROSECONDS, "339 µs"),
        (60 * 2**20, Unit.BYTES, "60.0 MiB"),
        (0.207, Unit.SHARE, "20.7 % of a core"),
    ],
)
def test_figures_have_three_digits_and_their_unit(value: float, unit: Unit, shown: str) -> None:
    assert figure(value, unit) == shown
