"""Rows of cells for any width: nothing is cut, and what does not fit beside goes below."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, RenderResult
from rich.text import Text

from components.cli.text import plain

_GAP = 2
_INDENT = 4
_READABLE = 24
"""The last column goes below the others rather than beside them in a width that is less."""


@dataclass(frozen=True, slots=True)
class Cell:
    """A text, of which all is shown, and the name of its style."""

    text: str
    style: str = ""


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a column goes: in which line of its row, from where, and how wide."""

    line: int
    start: int
    width: int


@dataclass(frozen=True, slots=True)
class Rows:
    """A table for `Console.print` and for `Live`. Only its last column is wrapped beside others.

    `least` are widths that columns have at least, so that they stay in their places when cells
    change. With `fits`, the last column is clipped to one line where the screen is not high enough.
    """

    rows: Sequence[Sequence[Cell]]
    least: Sequence[int] = ()
    fits: bool = False

    def height(self, width: int) -> int:
        """Return how many lines it has at most, at this width, if the last column is clipped."""
        return sum(1 + place.line for place in self._places(width, 0)[-1:]) * len(self.rows)

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        room = options.max_width
        word = max((_longest_word(row[-1]) for row in self.rows), default=0)
        lines = self._lines(console, self._places(room, word), clipped=False)
        if self.fits and len(lines) > console.height:
            lines = self._lines(console, self._places(room, 0), clipped=True)
        yield from lines

    def _columns(self) -> Iterator[tuple[Cell, ...]]:
        return zip(*self.rows, strict=True)

    def _places(self, room: int, word: int) -> list[_Place]:
        """Place the columns; the last one beside others only if a word so long fits there."""
        needed = [max(cell_len(plain(cell.text)) for cell in column) for column in self._columns()]
        widths = [max(pair) for pair in zip(needed, self.least or [0] * len(needed), strict=True)]
        places: list[_Place] = []
        line, start = 0, 0
        for index, width in enumerate(widths):
            is_last = index == len(widths) - 1
            if start and start + (max(word, min(width, _READABLE)) if is_last else width) > room:
                line, start = line + 1, _INDENT
            places.append(_Place(line, start, max(1, min(width, room - start))))
            start += width + _GAP
        return places

    def _lines(self, console: Console, places: list[_Place], *, clipped: bool) -> list[Text]:
        found: list[Text] = []
        for row in self.rows:
            cells = [
                (place, _wrapped(console, cell, place.width))
                for place, cell in zip(places, row, strict=True)
            ]
            if clipped:
                cells[-1] = (cells[-1][0], _clipped(row[-1], cells[-1][0].width))
            for _, beside in groupby(cells, key=lambda each: each[0].line):
                found += _joined(list(beside))
        return found


def _longest_word(cell: Cell) -> int:
    return max(map(cell_len, plain(cell.text).split()), default=0)


def _wrapped(console: Console, cell: Cell, width: int) -> list[Text]:
    return list(Text(plain(cell.text), cell.style).wrap(console, width, overflow="fold"))


def _clipped(cell: Cell, width: int) -> list[Text]:
    text = Text(plain(cell.text), cell.style)
    text.truncate(width, overflow="ellipsis")
    return [text]


def _joined(cells: list[tuple[_Place, list[Text]]]) -> Iterator[Text]:
    """Yield the lines of cells that are beside each other, and none if all are empty."""
    for number in range(max(len(lines) for _, lines in cells)):
        line = Text(no_wrap=True)
        for place, lines in cells:
            if number < len(lines) and lines[number]:
                line.append(" " * (place.start - line.cell_len))
                line.append_text(lines[number])
        if line.plain.strip():
            yield line
