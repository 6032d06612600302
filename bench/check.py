"""The part of the measurements that depends on no machine: `python -m bench.check`.

It exits with 1 if anything is worse than `bench.thresholds` allows. The load is always the small
client, and the rounds are short.
"""

import sys

from bench.load import OwnClient
from bench.run import measure, opened, run
from bench.selection import ROWS
from bench.store_calls import store_calls
from bench.table import Line, text
from bench.thresholds import LEAST_COUNTS, MOST_COUNTS, RATIOS, call_problems, problems

ROUNDS, SECONDS, MANY = 3, 0.3, 500


async def main() -> int:
    """Measure, print the table and the problems, and return how many there are."""
    checked = {*RATIOS, *LEAST_COUNTS, *MOST_COUNTS}
    calls, lines = await store_calls(), list[Line]()
    async with opened(ROUNDS, SECONDS, MANY, lambda _: OwnClient()) as bench:
        rows = [row for row in ROWS if row.name in checked]
        await measure(bench, rows, lines.append)
    print(text(lines))
    print("\ncalls to the store:", ", ".join(f"{name}: {calls[name]}" for name in calls))
    found = [*call_problems(calls), *(each for line in lines for each in problems(line))]
    for each in found:
        print(f"worse: {each}")
    return len(found)


if __name__ == "__main__":
    sys.exit(1 if run(main()) else 0)
