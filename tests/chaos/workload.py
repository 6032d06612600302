"""What tools do all the time: configure, deploy, look; at whichever instance answers."""

import asyncio
from dataclasses import dataclass, field
from random import Random
from typing import Any

import aiohttp

COMPONENTS = ("web", "worker")
PATIENCE = aiohttp.ClientTimeout(total=40)


@dataclass
class Tool:
    """One tool: what it was told, and what it was told last of its configuration."""

    name: str
    urls: list[str]
    random: Random
    acknowledged: list[str] = field(default_factory=list)
    configured: dict[str, Any] | None = None
    attempted: list[dict[str, Any]] = field(default_factory=list)
    requests: int = 0
    failures: int = 0
    wrong: list[str] = field(default_factory=list)

    async def work(self, stop: asyncio.Event) -> None:
        """Deploy again and again until told to stop; each time from another ref."""
        headers = {"ssl-client-subject-dn": f"CN={self.name},O=toolforge"}
        async with aiohttp.ClientSession(headers=headers, timeout=PATIENCE) as session:
            number = 0
            while not stop.is_set():
                number += 1
                # Another ref each time, as with another commit: the builds service knows a build
                # by what it is of.
                if not await self._configure(session, f"v{number}"):
                    continue
                data = await self._ask(session, "POST", "deploy", status=201)
                if data is not None:
                    self.acknowledged.append(data["deploy-id"])
                    await self._look(session, data["deploy-id"], stop)

    async def _configure(self, session: aiohttp.ClientSession, ref: str) -> bool:
        url = f"https://git.example.org/{self.name}"
        build = {"repository": url, "ref": ref}
        given = {
            "components": {each: {"build": build, "run": {"command": "x"}} for each in COMPONENTS}
        }
        self.attempted.append(given)
        data = await self._ask(session, "POST", "config", json=given)
        if data is None:
            return False
        if data != given:
            self.wrong.append(f"{self.name}: another configuration came back")
        self.configured, self.attempted = given, []
        return True

    async def _look(
        self, session: aiohttp.ClientSession, deploy_id: str, stop: asyncio.Event
    ) -> None:
        while not stop.is_set():
            data = await self._ask(session, "GET", f"deploy/{deploy_id}?wait=5")
            if data is not None and data["status"] not in ("PENDING", "RUNNING"):
                return

    async def _ask(
        self, session: aiohttp.ClientSession, method: str, path: str, status: int = 200, **more: Any
    ) -> Any:
        """Return the data of an answer; None where there was none, or it was one of an outage."""
        self.requests += 1
        url = f"{self.random.choice(self.urls)}/api/v1/tool/{self.name}/{path}"
        try:
            async with session.request(method, url, **more) as response:
                if response.status == status:
                    return (await response.json())["data"]
                if response.status not in (503, 504):
                    text = (await response.text())[:300]
                    self.wrong.append(f"{method} {path}: {response.status} {text}")
        except (aiohttp.ClientError, TimeoutError):
            pass
        self.failures += 1
        await asyncio.sleep(0.2)
        return None
