"""Increments a number in a document, many times: `python -m tests.cluster.increment`."""

import asyncio
import sys

from backends.kube.connection import KubeConnection
from backends.stores.base import Conflict
from backends.stores.kubernetes import KubernetesStore


async def main(kubeconfig: str, tool: str, kind: str, name: str, rounds: int) -> None:
    """Read, increment and write, until that many writes have succeeded."""
    store = KubernetesStore(KubeConnection(kubeconfig))
    await store.open()
    try:
        for _ in range(rounds):
            while True:
                document = await store.get(tool, kind, name)
                data = {"number": document.data["number"] + 1}
                try:
                    await store.replace(document, data, document.state)
                except Conflict:
                    continue
                break
    finally:
        await store.close()


if __name__ == "__main__":
    _, kubeconfig_, tool_, kind_, name_, rounds_ = sys.argv
    asyncio.run(main(kubeconfig_, tool_, kind_, name_, int(rounds_)))
