"""A run as a program: it starts the service and its limit, and measures both."""

import json
import os
import signal
import sys
import time
from asyncio import create_subprocess_exec
from asyncio.subprocess import PIPE
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from bench.context import Bench
from bench.cores import Cores
from bench.load import LoadFailed
from bench.processes import DidNotStart, cpu_seconds, server
from bench.rounds import Result, Round
from bench.row import Better, Row, Skipped, Unit
from bench.run import measure, opened
from bench.table import Line
from tests.conftest import ROOT


async def run(*arguments: str) -> tuple[int | None, str, str]:
    """Run the program; return its exit code and its output."""
    process = await create_subprocess_exec(
        sys.executable, "-m", "bench", *arguments, cwd=ROOT, stdout=PIPE, stderr=PIPE
    )
    output, errors = await process.communicate()
    return process.returncode, output.decode(), errors.decode()


async def test_a_run_prints_the_table_and_writes_all_rounds_as_json(tmp_path: Path) -> None:
    file = tmp_path / "figures.json"
    options = ("--rounds", "2", "--seconds", "0.1", "--json", str(file))
    code, output, errors = await run("--only", "healthz", *options)
    assert code == 0, errors
    assert "| GET /healthz |" in output
    found = json.loads(file.read_text())
    (row,) = found["rows"]
    assert len(row["rounds"]) == 2
    assert 0 < row["lowest"] <= row["ratio"] <= row["highest"]
    assert found["conditions"]["log level"] == "INFO"


async def test_a_row_that_fails_ends_the_run_but_not_what_was_measured_before() -> None:
    async def measured(bench: Bench) -> Result:
        return Result((Round(1, 2),))

    async def skipped(bench: Bench) -> Result:
        raise Skipped("there is no server")

    async def failing(bench: Bench) -> Result:
        raise LoadFailed("GET /: 3 failed")

    def row(measure: Callable[[Bench], Awaitable[Result]]) -> Row:
        return Row("a", "what", "bare", Unit.RATE, Better.HIGHER, "1", measure)

    lines: list[Line] = []
    async with opened(1, 0.1, 1) as bench:
        with pytest.raises(LoadFailed):
            await measure(bench, [row(measured), row(skipped), row(failing)], lines.append)
    assert [each.result and each.result.ratio for each in lines] == [0.5, None]
    assert lines[1].skipped == "there is no server"


async def test_a_name_that_no_row_has_ends_the_run_with_one_line() -> None:
    code, _, errors = await run("--only", "nothing")
    assert code == 1
    assert errors.startswith("there is no row 'nothing'; there are: ")
    assert errors.count("\n") == 1


async def test_a_server_that_ends_before_it_listens_is_reported_with_its_log(
    tmp_path: Path,
) -> None:
    command = ("-c", "raise SystemExit('no such file')")
    with pytest.raises(DidNotStart, match="no such file"):
        async with server(Cores.here(), tmp_path / "log", *command, measured=False):
            pass


def test_the_processor_time_of_a_process_is_the_one_that_it_sees_itself() -> None:
    before, own = cpu_seconds(os.getpid()), time.process_time()
    sum(range(1_000_000))
    after = cpu_seconds(os.getpid())
    assert after - before == pytest.approx(time.process_time() - own, abs=0.01)


def test_a_single_core_serves_and_loads() -> None:
    usable = os.sched_getaffinity(0)
    try:
        os.sched_setaffinity(0, {min(usable)})
        cores = Cores.here()
    finally:
        os.sched_setaffinity(0, usable)
    assert cores.server == cores.others
    assert len(cores) == 1


async def test_a_run_that_is_terminated_leaves_nothing_behind(tmp_path: Path) -> None:
    process = await create_subprocess_exec(
        sys.executable, "-m", "bench", "--only", "healthz", "--seconds", "30",
        cwd=ROOT, env=os.environ | {"TMPDIR": str(tmp_path)}, stdout=PIPE, stderr=PIPE,
    )  # fmt: skip
    assert process.stderr is not None
    assert b"measuring healthz" in await process.stderr.readline()
    process.terminate()
    await process.communicate()
    assert process.returncode == 128 + signal.SIGTERM
    assert list(tmp_path.iterdir()) == []
