"""What runs, from a watch of the API server, and its checks: at every change, and at the end."""

import asyncio
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from backends.runners.kubernetes.record import fence_of, record_of
from tests.chaos.observer import Record
from tests.cluster.conftest import PREFIX
from tests.cluster.ground import APPS
from tests.cluster.installation import Caller

OURS = "app.kubernetes.io/managed-by=components-api"


@dataclass(frozen=True)
class Version:
    """What ran of a component from a resource version on: the deployment that it came from."""

    at: int
    tool: str
    component: str
    deploy_id: str


@dataclass
class Running:
    """The Deployments of all tools: those that are there, and every version that ever ran."""

    caller: Caller
    there: dict[tuple[str, str], dict[str, Any]] = field(default_factory=dict)
    versions: list[Version] = field(default_factory=list)
    put_back: int = 0
    removed: int = 0
    wrong: list[str] = field(default_factory=list)
    _changed: asyncio.Condition = field(default_factory=asyncio.Condition)

    async def watch(self) -> None:
        """Watch until cancelled."""
        async with self.caller.watching(f"{APPS}/deployments", labelSelector=OURS) as events:
            async for event in events:
                if event["type"] not in ("ADDED", "MODIFIED", "DELETED"):
                    self.wrong.append(f"the watch of what runs is broken: {event}")
                    return
                self._note(event["object"], deleted=event["type"] == "DELETED")
                async with self._changed:
                    self._changed.notify_all()
        self.wrong.append("the watch of what runs has ended")

    def _note(self, found: dict[str, Any], *, deleted: bool) -> None:
        key = _key(found)
        if deleted:
            self.there.pop(key, None)
            self.removed += 1
            return
        before = self.there.get(key)
        self.there[key] = found
        if before and _available(before) and not _available(found):
            self.wrong.append(f"{'/'.join(key)} was served, and then by nothing")
        record, fence = record_of(found), fence_of(found)
        if record is None or fence is None:
            self.wrong.append(f"{'/'.join(key)} has no record")
            return
        last = fence_of(before) if before else None
        if last == fence:
            return
        if last is not None and last > fence:
            self.wrong.append(f"{'/'.join(key)}: {last} was replaced by the older {fence}")
        self.put_back += fence.step
        version = int(found["metadata"]["resourceVersion"])
        self.versions.append(Version(version, *key, record.origin.deploy_id))

    async def catch_up(self) -> None:
        """Return once everything that is there by now was seen."""
        _, answer = await self.caller.call("GET", f"{APPS}/deployments", labelSelector=OURS)
        there = {_key(each): each["metadata"]["resourceVersion"] for each in answer["items"]}
        async with self._changed:
            await self._changed.wait_for(lambda: self._versions() == there)

    def _versions(self) -> dict[tuple[str, str], str]:
        return {key: each["metadata"]["resourceVersion"] for key, each in self.there.items()}

    def problems(self, records: Mapping[str, Record], tools: list[str]) -> Iterator[str]:
        """Yield what does not run as the newest finished deployment of a tool says."""
        yield from self.wrong
        for tool in tools:
            finished = [each for each in records.values() if each.tool == tool and each.finished]
            yield from self._of_tool(tool, max(finished, key=_created, default=None))
        yield from self._older(records)

    def _of_tool(self, tool: str, newest: Record | None) -> Iterator[str]:
        expected = newest.data["config"]["components"].keys() if newest else set()
        deploy_id = newest.data["deploy-id"] if newest else "nothing"
        found = {name: each for (of, name), each in self.there.items() if of == tool}
        for name in sorted(expected | found.keys()):
            where = f"{tool}/{name}, of which {deploy_id} is the newest that finished,"
            if name not in found:
                yield f"{where} does not run"
            elif name not in expected:
                yield f"{where} runs"
            else:
                record = record_of(found[name])
                if record is None or record.origin.deploy_id != deploy_id:
                    yield f"{where} runs as {record and record.origin.deploy_id}"
                if not _is_rolled_out(found[name]):
                    yield f"{where} is not healthy: {found[name].get('status')}"

    def _older(self, records: Mapping[str, Record]) -> Iterator[str]:
        """Yield versions that are older than one that had finished by then."""
        for version in self.versions:
            origin = records[version.deploy_id]
            yield from (
                f"{version.tool}/{version.component}: {version.deploy_id} came back after {name}"
                for name, each in records.items()
                if each.tool == version.tool
                and each.finished_at is not None
                and each.finished_at < version.at
                and _created(each) > _created(origin)
            )


def _key(found: dict[str, Any]) -> tuple[str, str]:
    """Return the tool and the component of an object."""
    return found["metadata"]["namespace"].removeprefix(PREFIX), found["metadata"]["name"]


def _created(record: Record) -> str:
    created: str = record.data["creation-time"]
    return created


def _available(deployment: dict[str, Any]) -> bool:
    return bool((deployment.get("status") or {}).get("availableReplicas"))


def _is_rolled_out(deployment: dict[str, Any]) -> bool:
    wanted, status = deployment["spec"]["replicas"], deployment.get("status") or {}
    counts = [status.get(each, 0) for each in ("replicas", "updatedReplicas", "availableReplicas")]
    observed = status.get("observedGeneration") == deployment["metadata"]["generation"]
    return observed and counts == [wanted] * len(counts)
