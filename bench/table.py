"""The table of a run, as text and as JSON, and compared with an earlier one."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.rounds import Result
from bench.row import Row, Unit

Json = dict[str, Any]
HEADINGS = ("what", "measured", "limit", "ratio", "spread", "to reach", "compared with")


@dataclass(frozen=True, slots=True)
class Line:
    """A row with its result, or with the reason why there is none."""

    row: Row
    result: Result | None = None
    skipped: str = ""


def figure(value: float, unit: Unit) -> str:
    """Return a figure with its unit, in three digits."""
    match unit:
        case Unit.RATE:
            return f"{_digits(value)}/s"
        case Unit.BYTES:
            return f"{_digits(value / 2**20)} MiB"
        case Unit.SHARE:
            return f"{_digits(value * 100)} % of a core"
        case Unit.MICROSECONDS:
            return f"{_digits(value * 1e6)} µs"
        case Unit.SECONDS:
            return f"{_digits(value)} s" if value >= 1 else f"{_digits(value * 1000)} ms"


def text(lines: Sequence[Line], earlier: Mapping[str, float] | None = None) -> str:
    """Return the table in Markdown; with ratios by name, also those of an `earlier` run."""
    headings = HEADINGS if earlier is None else (*HEADINGS, "earlier", "change")
    rows = [headings, tuple("---" for _ in headings), *(_cells(each, earlier) for each in lines)]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in rows)


def _cells(line: Line, earlier: Mapping[str, float] | None) -> tuple[str, ...]:
    row, result = line.row, line.result
    if result is None:
        cells = [row.what, f"skipped: {line.skipped}", "", "", "", row.target, row.against]
    else:
        measured = figure(result.measured, row.unit) + (f", {result.note}" if result.note else "")
        low, high = result.spread
        cells = [
            row.what,
            measured,
            figure(result.limit, row.unit),
            _digits(result.ratio),
            f"{_digits(low)} to {_digits(high)}",
            row.target,
            row.against,
        ]
    if earlier is not None:
        before = earlier.get(row.name)
        known = before is not None and result is not None
        cells.append(_digits(before) if before is not None else "")
        cells.append(f"x {result.ratio / before:.2f}" if known and result and before else "")
    return tuple(cells)


def as_json(lines: Sequence[Line], conditions: Json) -> str:
    """Return a run as JSON: under which conditions, and all rounds of each row."""
    return json.dumps(
        {"conditions": conditions, "rows": [_entry(each) for each in lines]}, indent=1
    )


def _entry(line: Line) -> Json:
    row, result = line.row, line.result
    entry = {
        "name": row.name,
        "what": row.what,
        "against": row.against,
        "unit": row.unit.value,
        "better": row.better.value,
        "to reach": row.target,
    }
    if result is None:
        return {**entry, "skipped": line.skipped}
    rounds = [{"measured": each.measured, "limit": each.limit} for each in result.rounds]
    low, high = result.spread
    figures = {"ratio": result.ratio, "lowest": low, "highest": high}
    return {**entry, **figures, "count": result.count, "counted": result.counted, "rounds": rounds}


def ratios(file: Path) -> dict[str, float]:
    """Return the ratios of an earlier run by the names of its rows, from its JSON."""
    rows = json.loads(file.read_text())["rows"]
    return {each["name"]: each["ratio"] for each in rows if "ratio" in each}


def _digits(value: float) -> str:
    """Return a number with three significant digits, and never in powers of ten."""
    if abs(value) >= 100:  # noqa: PLR2004 - three digits before the point
        return f"{value:,.0f}"
    return f"{value:#.3g}".rstrip(".")
