"""A run as a program: it starts the service and its limit, and measures both."""

import json
import os
import sys
import time
from asyncio import create_subprocess_exec
from asyncio.subprocess import PIPE
from pathlib import Path

import pytest

from bench.cores import Cores
from bench.processes import DidNotStart, cpu_seconds, server
from tests.conftest import ROOT


async def bench(*arguments: str) -> tuple[int | None, str, str]:
    """Run the program; return its exit code and its output."""
    process = await create_subprocess_exec(
        sys.executable, "-m", "bench", *arguments, cwd=ROOT, stdout=PIPE, stderr=PIPE
    )
    output, errors = await process.communicate()
    return process.returncode, output.decode(), errors.decode()


async def test_a_run_prints_the_table_and_writes_all_rounds_as_json(tmp_path: Path) -> None:
    file = tmp_path / "figures.json"
    options = ("--rounds", "2", "--seconds", "0.1", "--json", str(file))
    code, output, errors = await bench("--only", "healthz", *options)
    assert code == 0, errors
    assert "| GET /healthz |" in output
    found = json.loads(file.read_text())
    (row,) = found["rows"]
    assert len(row["rounds"]) == 2
    assert 0 < row["lowest"] <= row["ratio"] <= row["highest"]
    assert found["conditions"]["log level"] == "INFO"


async def test_a_name_that_no_row_has_ends_the_run_with_one_line() -> None:
    code, _, errors = await bench("--only", "nothing")
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
