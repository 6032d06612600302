"""Measures the service and prints the table: `python -m bench --only get-config --rounds 9`."""

import argparse
import sys
from pathlib import Path

from bench.run import conditions, measure, opened, run
from bench.selection import named
from bench.table import Line, as_json, ratios, text

MANY = 10_000
"""How many tools are many."""


async def main(options: argparse.Namespace) -> None:
    """Measure, print the table, and write the JSON; if a row fails, with those before it."""
    rows = named(options.only)
    earlier = ratios(options.compare) if options.compare else None
    lines: list[Line] = []
    async with opened(options.rounds, options.seconds, MANY) as bench:
        found = conditions(bench)
        try:
            await measure(bench, rows, lines.append)
        finally:
            print(", ".join(f"{name}: {value}" for name, value in found.items()), end="\n\n")
            print(text(lines, earlier))
            if options.json:
                options.json.write_text(as_json(lines, found) + "\n")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=(__doc__ or "").split(":", 1)[0])
    parser.add_argument(
        "--only", nargs="+", default=[], metavar="NAME", help="rows by the beginning of their names"
    )
    parser.add_argument("--rounds", type=int, default=5, help="how many alternating rounds")
    parser.add_argument("--seconds", type=float, default=2.0, help="how long to measure a figure")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all rounds to a file")
    parser.add_argument("--compare", type=Path, metavar="FILE", help="show an earlier run as well")
    arguments = parser.parse_args()
    try:
        run(main(arguments))
    except (ValueError, OSError) as error:
        sys.exit(str(error))
