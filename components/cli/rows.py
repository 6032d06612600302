"""Tables for any width: nothing is cut, and columns that do not fit go below the others."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, RenderResult
from rich.text import Text

from components.cli.text import plain

_GAP = 2
_INDENT = 4
_MIN_READABLE = 24
"""If less width than this is left, the last column goes below the others."""


@dataclass(frozen=True, slots=True)
class Cell:
    """A text and the name of its style."""

    text: str
    style: str = ""


@dataclass(frozen=True, slots=True)
class _Column:
    """The layout of a column: its line within the row, its start and its width."""

    line: int
    start: int
    width: int


@dataclass(frozen=True, slots=True)
class Rows:
    """A table for `Console.print` and `Live`. Only the last column may be wrapped beside others.

    `min_widths` are minimum widths of the columns, so that they do not move when cells change.
    With `fits`, the last column is clipped to one line if the screen is not high enough.
    """

    rows: Sequence[Sequence[Cell]]
    min_widths: Sequence[int] = ()
    fits: bool = False

    def height(self, width: int) -> int:
        """Return the maximum number of lines at this width if the last column is clipped."""
        return sum(1 + column.line for column in self._layout(width, 0)[-1:]) * len(self.rows)

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        available = options.max_width
        word = max((_longest_word(row[-1]) for row in self.rows), default=0)
        lines = self._lines(console, self._layout(available, word), clipped=False)
        if self.fits and len(lines) > console.height:
            lines = self._lines(console, self._layout(available, 0), clipped=True)
        yield from lines

    def _columns(self) -> Iterator[tuple[Cell, ...]]:
        return zip(*self.rows, strict=True)

    def _layout(self, available: int, word: int) -> list[_Column]:
        """Lay out the columns; the last one goes beside others only if a word of `word` fits."""
        needed = [max(cell_len(plain(cell.text)) for cell in column) for column in self._columns()]
        widths = [
            max(pair) for pair in zip(needed, self.min_widths or [0] * len(needed), strict=True)
        ]
        columns: list[_Column] = []
        line, start = 0, 0
        for index, width in enumerate(widths):
            is_last = index == len(widths) - 1
            needed_width = max(word, min(width, _MIN_READABLE)) if is_last else width
            if start and start + needed_width > available:
                line, start = line + 1, _INDENT
            columns.append(_Column(line, start, max(1, min(width, available - start))))
            start += width + _GAP
        return columns

    def _lines(self, console: Console, columns: list[_Column], *, clipped: bool) -> list[Text]:
        lines: list[Text] = []
        for row in self.rows:
            cells = [
                (column, _wrapped(console, cell, column.width))
                for column, cell in zip(columns, row, strict=True)
            ]
            if clipped:
                cells[-1] = (cells[-1][0], _clipped(row[-1], cells[-1][0].width))
            for _, beside in groupby(cells, key=lambda each: each[0].line):
                lines += _joined(list(beside))
        return lines


def _longest_word(cell: Cell) -> int:
    return max(map(cell_len, plain(cell.text).split()), default=0)


def _wrapped(console: Console, cell: Cell, width: int) -> list[Text]:
    return list(Text(plain(cell.text), cell.style).wrap(console, width, overflow="fold"))


def _clipped(cell: Cell, width: int) -> list[Text]:
    text = Text(plain(cell.text), cell.style)
    text.truncate(width, overflow="ellipsis")
    return [text]


def _joined(cells: list[tuple[_Column, list[Text]]]) -> Iterator[Text]:
    """Yield the lines of cells that are beside each other, without empty lines."""
    for number in range(max(len(lines) for _, lines in cells)):
        line = Text(no_wrap=True)
        for column, lines in cells:
            if number < len(lines) and lines[number]:
                line.append(" " * (column.start - line.cell_len))
                line.append_text(lines[number])
        if line.plain.strip():
            yield line
