"""The clients: tools that configure, deploy and query, on any instance that responds."""

import asyncio
from collections import defaultdict
from collections.abc import Collection
from contextlib import suppress
from dataclasses import dataclass, field
from random import Random
from typing import Any

import aiohttp

COMPONENTS = ("web", "worker")
MORE = "extra"
BROKEN = ("crash", "slow")
"""Commands of what crashes, and of what is never ready."""

PATIENCE = aiohttp.ClientTimeout(total=40)
CALM_SECONDS = 60.0
"""The time limit of something that is immediate without faults."""

OUTAGE = (0, 503, 504)


@dataclass(frozen=True)
class Habits:
    """How often a tool does what only some tools do."""

    keys: float = 0.0
    cancels: float = 0.0
    hurries: float = 0.0
    """Deploys again before the previous deployment has ended."""

    reads: float = 0.0
    """Reads a log or events, and disconnects early."""

    deletes: float = 0.0
    """Deletes the configuration."""

    impatient: float = 0.0
    """Does not wait in the queue."""

    breaks: float = 0.0
    """Deploys a version that does not come up."""

    grows: float = 0.0
    """Has one component more, until the next version."""


PLAIN = Habits()
WILD = Habits(
    keys=0.5, cancels=0.15, hurries=0.5, reads=0.3, deletes=0.05, impatient=0.3,
    breaks=0.2, grows=0.3,
)  # fmt: skip


@dataclass
class Tool:
    """One tool: the responses it got, and the last one about its configuration."""

    name: str
    urls: list[str]
    random: Random
    habits: Habits = PLAIN
    acknowledged: list[str] = field(default_factory=list)
    keyed: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    refs: dict[str, str] = field(default_factory=dict)
    cancelled: set[str] = field(default_factory=set)
    tried_to_cancel: set[str] = field(default_factory=set)
    missed: set[str] = field(default_factory=set)
    configured: dict[str, Any] | None = None
    attempted: list[dict[str, Any] | None] = field(default_factory=list)
    requests: int = 0
    failures: int = 0
    errors_of: int = 0
    left: int = 0
    deleted: int = 0
    wrong: list[str] = field(default_factory=list)

    async def work(self, stop: asyncio.Event) -> None:
        """Deploy repeatedly until stopped; each time from another ref."""
        headers = {"ssl-client-subject-dn": f"CN={self.name},O=toolforge"}
        async with aiohttp.ClientSession(headers=headers, timeout=PATIENCE) as session:
            number = 0
            while not stop.is_set():
                number += 1
                # Another ref each time, like another commit: the builds service identifies builds
                # by source.
                if not await self._configure(session, f"v{number}"):
                    continue
                deploy_id = await self._deploy(session, f"v{number}")
                if deploy_id is not None:
                    await self._go_on(session, deploy_id, stop)
                if self._happens(self.habits.deletes):
                    await self._delete_configuration(session, stop)

    def _happens(self, often: float) -> bool:
        return self.random.random() < often

    async def _configure(self, session: aiohttp.ClientSession, ref: str) -> bool:
        url = f"https://git.example.org/{self.name}"
        build = {"repository": url, "ref": ref}
        names = (*COMPONENTS, MORE) if self._happens(self.habits.grows) else COMPONENTS
        commands = dict.fromkeys(names, "serve")
        if self._happens(self.habits.breaks):
            commands[self.random.choice(names)] = self.random.choice(BROKEN)
        given = {
            "components": {
                name: {"build": build, "run": {"command": command}}
                for name, command in commands.items()
            }
        }
        self.attempted.append(given)
        _, data = await self._ask(session, "POST", "config", json=given)
        if data is None:
            return False
        if data != given:
            self.wrong.append(f"{self.name}: another configuration was returned")
        self.configured, self.attempted = given, []
        return True

    async def _deploy(self, session: aiohttp.ClientSession, ref: str) -> str | None:
        """Deploy; with a key, retry until there is a response. Return the id."""
        asked: dict[str, Any] = {}
        if self._happens(self.habits.impatient):
            asked["json"] = {"when-busy": self.random.choice(("supersede", "reject"))}
        key = f"{self.name}-{ref}" if self._happens(self.habits.keys) else None
        if key:
            asked["headers"] = {"Idempotency-Key": key}
        repeats = 20 if key else 1
        for _ in range(repeats):
            status, data = await self._ask(session, "POST", "deploy", {409}, **asked)
            if data is not None:
                break
            if status not in OUTAGE:
                self.errors_of += 1
                return None
        else:
            return None
        deploy_id: str = data["deploy-id"]
        self.acknowledged.append(deploy_id)
        self.refs[deploy_id] = ref
        if key:
            self.keyed[key].append(deploy_id)
            _, data = await self._ask(session, "POST", "deploy", **asked)
            if data is not None:
                self.keyed[key].append(data["deploy-id"])
        return deploy_id

    async def _go_on(
        self, session: aiohttp.ClientSession, deploy_id: str, stop: asyncio.Event
    ) -> None:
        if self._happens(self.habits.reads):
            await self._read_and_disconnect(session, deploy_id)
        if self._happens(self.habits.cancels):
            await self._cancel(session, deploy_id)
        if not self._happens(self.habits.hurries):
            await self._query(session, deploy_id, stop)

    async def _query(
        self, session: aiohttp.ClientSession, deploy_id: str, stop: asyncio.Event
    ) -> None:
        while not stop.is_set():
            status, data = await self._ask(session, "GET", f"deploy/{deploy_id}?wait=5", {404})
            if data is not None and data["status"] not in ("PENDING", "RUNNING"):
                return
            if status == 404:
                self.missed.add(deploy_id)
                return

    async def _cancel(self, session: aiohttp.ClientSession, deploy_id: str) -> None:
        await asyncio.sleep(self.random.uniform(0, 1))
        self.tried_to_cancel.add(deploy_id)
        status, data = await self._ask(session, "PUT", f"deploy/{deploy_id}/cancel", {404, 409})
        if data is not None:
            self.cancelled.add(deploy_id)
        if status == 404:
            self.missed.add(deploy_id)

    async def _read_and_disconnect(self, session: aiohttp.ClientSession, deploy_id: str) -> None:
        """Read the log of a build, or events, for a moment."""
        component = self.random.choice(COMPONENTS)
        what = self.random.choice((f"builds/{component}/log?follow=true", "events"))
        seconds = self.random.uniform(0.1, 2)
        self.left += 1
        with suppress(aiohttp.ClientError, TimeoutError):
            url = self._url(f"deploy/{deploy_id}/{what}")
            async with asyncio.timeout(seconds), session.get(url) as response:
                await response.content.read()

    async def _delete_configuration(
        self, session: aiohttp.ClientSession, stop: asyncio.Event
    ) -> None:
        """Delete it, and check that queued deployments end and that no new one is accepted."""
        self.attempted.append(None)
        _, data = await self._ask(session, "DELETE", "config", {404})
        if data is None:
            return
        self.configured, self.attempted = None, []
        self.deleted += 1
        _, data = await self._ask(session, "POST", "deploy", {404})
        if data is not None:
            self.wrong.append(
                f"{self.name}: {data['deploy-id']} was created without a configuration"
            )
        until = asyncio.get_running_loop().time() + CALM_SECONDS
        while not stop.is_set():
            _, data = await self._ask(session, "GET", "deploy")
            if data is not None and not any(_waits(each) for each in data["deployments"]):
                return
            if asyncio.get_running_loop().time() > until:
                self.wrong.append(f"{self.name}: a deployment is queued without a configuration")
                return
            await asyncio.sleep(1)

    def _url(self, path: str) -> str:
        return f"{self.random.choice(self.urls)}/api/v1/tool/{self.name}/{path}"

    async def _ask(
        self,
        session: aiohttp.ClientSession,
        method: str,
        path: str,
        expected: Collection[int] = (),
        **more: Any,
    ) -> tuple[int, Any]:
        """Return the status and the data; 0 without a response, no data after a failure."""
        self.requests += 1
        status = 0
        try:
            async with session.request(method, self._url(path), **more) as response:
                status = response.status
                if status in (200, 201):
                    return status, (await response.json())["data"]
                if status not in (*OUTAGE, *expected):
                    text = (await response.text())[:300]
                    self.wrong.append(f"{method} {path}: {status} {text}")
        except (aiohttp.ClientError, TimeoutError):
            status = 0
        if status in OUTAGE:
            self.failures += 1
            await asyncio.sleep(0.2)
        return status, None


def _waits(deployment: dict[str, Any]) -> bool:
    return bool(deployment.get("message") == "waits for its turn")
