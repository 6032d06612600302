"""Records every stored version of a document, in order, from a watch of the API server.

Documents deleted meanwhile are not missed, and invariants are checked at every change.
"""

import asyncio
import base64
import json
from collections import defaultdict
from dataclasses import dataclass, field
from typing import Any

import aiohttp
from kubernetes_asyncio import client

from tests.chaos.world import Limits
from tests.cluster.conftest import PREFIX

FINAL = ("FINISHED", "ERROR", "CANCELLED")


@dataclass
class Record:
    """A deployment: its last stored version, and all its builds by component."""

    tool: str
    data: dict[str, Any]
    sealed: bool
    removed: bool = False
    ids: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    finished_at: int | None = None
    """The resource version with which it had finished."""

    @property
    def builds(self) -> dict[str, dict[str, Any]]:
        builds: dict[str, dict[str, Any]] = self.data["builds"]
        return builds

    @property
    def runs(self) -> dict[str, dict[str, Any]]:
        runs: dict[str, dict[str, Any]] = self.data.get("runs", {})
        return runs

    @property
    def is_running(self) -> bool:
        """Whether it has a position among the running ones and has not ended."""
        return not (self.data["queued"] or self._all(*FINAL) or self.removed)

    @property
    def finished(self) -> bool:
        return self.sealed and self._all("FINISHED") and not self.data["cancel-requested"]

    def _all(self, *statuses: str) -> bool:
        steps = (*self.builds.values(), *self.runs.values())
        return all(each["status"] in statuses for each in steps)


class Observer:
    """Watches the deployments of all tools."""

    def __init__(self, admin: client.ApiClient, limits: Limits) -> None:
        self._core = client.CoreV1Api(admin)
        self._limits = limits
        self.records: dict[str, Record] = {}
        self.wrong: list[str] = []
        self.most_running = 0
        self._changed = asyncio.Condition()

    async def until(self, sealed: int) -> None:
        """Return once that many settled and retained deployments were seen."""
        async with self._changed:
            await self._changed.wait_for(
                lambda: (
                    sum(each.sealed and not each.removed for each in self.records.values())
                    >= sealed
                )
            )

    async def watch(self) -> None:
        """Watch until cancelled."""
        version = "0"
        while True:
            try:
                version = await self._follow(version)
            except (aiohttp.ClientError, TimeoutError):
                await asyncio.sleep(0.2)  # and continue after the last version seen

    async def _follow(self, version: str) -> str:
        response: Any = await self._core.list_secret_for_all_namespaces(
            label_selector="components-api/kind=deployment",
            watch=True,
            resource_version=version,
            allow_watch_bookmarks=True,
            _preload_content=False,
            _request_timeout=aiohttp.ClientTimeout(total=None),
        )
        try:
            async for line in response.content:
                event = json.loads(line)
                if event["type"] == "ERROR":
                    raise RuntimeError(f"the watch is broken: {event}")
                version = event["object"]["metadata"]["resourceVersion"]
                if event["type"] != "BOOKMARK":
                    self._note(event["object"], removed=event["type"] == "DELETED")
                    async with self._changed:
                        self._changed.notify_all()
        finally:
            response.close()
        return version

    def _note(self, secret: dict[str, Any], *, removed: bool) -> None:
        data = json.loads(base64.b64decode(secret["data"]["document"]))
        name, tool = data["deploy-id"], secret["metadata"]["namespace"].removeprefix(PREFIX)
        sealed = bool(secret.get("immutable"))
        record = self.records.setdefault(name, Record(tool, data, sealed))
        if record.sealed and record.data != data:
            self.wrong.append(f"{name} was sealed and has changed")
        record.data, record.sealed, record.removed = data, sealed, removed
        if record.finished and record.finished_at is None:
            record.finished_at = int(secret["metadata"]["resourceVersion"])
        for component, build in data["builds"].items():
            if build["build-id"] not in (None, *record.ids[component][-1:]):
                record.ids[component].append(build["build-id"])
        if removed:
            self._check_deletion(name, record)
        self._count(tool)

    def _check_deletion(self, name: str, record: Record) -> None:
        if not record.sealed:
            self.wrong.append(f"{name} was deleted before it had ended")
        kept = [each for each in self._of(record.tool) if each.finished]
        created = record.data["creation-time"]
        if record.finished and not any(each.data["creation-time"] > created for each in kept):
            self.wrong.append(f"{name} was deleted, but was the newest finished one")

    def _count(self, tool: str) -> None:
        running = sum(each.is_running for each in self._of(tool))
        self.most_running = max(self.most_running, running)
        if self._limits.running and running > self._limits.running:
            names = sorted(each.data["deploy-id"] for each in self._of(tool) if each.is_running)
            self.wrong.append(f"{running} deployments of {tool} ran concurrently: {names}")

    def _of(self, tool: str) -> list[Record]:
        return [each for each in self.records.values() if each.tool == tool and not each.removed]
