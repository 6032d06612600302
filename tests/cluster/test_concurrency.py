"""Concurrent updates are not lost."""

import asyncio
import sys
from pathlib import Path

import pytest

from tests.cluster.apiserver import SERVICE
from tests.cluster.conftest import Cluster, OpenStore

ROOT = Path(__file__).parents[2]
PROCESSES, ROUNDS = 4, 250


@pytest.mark.timeout(180)
async def test_no_update_is_lost_in_a_thousand_rounds_from_four_processes(
    cluster: Cluster, open_store: OpenStore, tools: tuple[str, str]
) -> None:
    store = await open_store()
    await store.create(tools[0], "config", "config", {"number": 0})
    arguments = (str(cluster.kubeconfig(SERVICE)), tools[0], "config", "config", str(ROUNDS))
    processes = [
        await asyncio.create_subprocess_exec(
            sys.executable, "-m", "tests.cluster.increment", *arguments, cwd=ROOT
        )
        for _ in range(PROCESSES)
    ]
    assert await asyncio.gather(*(each.wait() for each in processes)) == [0] * PROCESSES
    document = await store.get(tools[0], "config", "config")
    assert document.data == {"number": PROCESSES * ROUNDS}
