"""A fake jobs service that follows `jobs-api.yaml`.

What becomes of a job follows from the name of its image: one with `slow` is pending until the test
lets it `come_up`, one with `crash` fails, and any other runs at once. It records every change, and
how often each job was started. What is in `refuses` is refused with these words;
`shown` is how a job is written in a list.
"""

import asyncio
import re
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from aiohttp import web

from backends.clock import utc_now
from tests.builders.toolforge.misbehaving import Misbehaving, refusal

NAME = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?([.][a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
MAX_NAME = 52


@dataclass
class Job:
    """A job in the service: its fields as they were given, and how it does, since when."""

    given: dict[str, Any]
    status: str
    since: datetime
    messages: tuple[str, ...] = ()
    up_to_date: bool = True

    def answer(self, now: datetime) -> dict[str, Any]:
        """Return the job as the service shows it."""
        seconds = int((now - self.since).total_seconds())
        status: dict[str, Any] = {
            "short": self.status,
            "messages": list(self.messages),
            "duration": f"{seconds // 3600}h{seconds // 60 % 60}m{seconds % 60}s",
            "up_to_date": self.up_to_date,
        }
        more = {"schedule_actual": self.given["schedule"]} if "schedule" in self.given else {}
        return {
            **self.given,
            **more,
            "image": self.given["imagename"],
            "image_state": "stable",
            "status_short": self.status.capitalize(),
            "status_long": f"{self.status.capitalize()} since {seconds} seconds ago.",
            "status": status,
        }


@dataclass
class JobsService(Misbehaving):
    """The service; `clock` is its own."""

    clock: Callable[[], datetime] = utc_now
    jobs: dict[tuple[str, str], Job] = field(default_factory=dict)
    started: Counter[str] = field(default_factory=Counter)
    changes: list[str] = field(default_factory=list)
    bodies: list[dict[str, Any]] = field(default_factory=list)
    stays: set[str] = field(default_factory=set)
    shown: Callable[[dict[str, Any]], dict[str, Any]] = lambda job: job
    refuses: dict[str, str] = field(default_factory=dict)
    health: str = "OK"
    lines: tuple[bytes, ...] = (b"one", b"two")
    left: asyncio.Event = field(default_factory=asyncio.Event)
    follows: bool = False

    def __post_init__(self) -> None:
        Misbehaving.__init__(self)

    def app(self) -> web.Application:
        """The routes used, as the gateway serves them: under /jobs."""
        app = web.Application(middlewares=[self.misbehave])
        self.add_to(app)
        return app

    def add_to(self, app: web.Application) -> None:
        """Add the routes to an application that has others."""
        jobs = "/jobs/v1/tool/{tool_name}/jobs"
        app.add_routes(
            [
                web.get(jobs, self._list),
                web.patch(jobs, self._patch),
                web.get(jobs + "/{id}", self._get),
                web.delete(jobs + "/{id}", self._delete),
                web.post(jobs + "/{id}/restart", self._restart),
                web.get(jobs + "/{id}/logs", self._logs),
                web.get("/jobs/v1/healthz", self._health),
            ]
        )

    def come_up(self, tool: str, name: str) -> None:
        """Let a job run that is pending."""
        job = self.jobs[tool, name]
        job.status, job.since, job.messages = "running", self.clock(), ()

    def fail(self, tool: str, name: str, *messages: str) -> None:
        """Let a job fail."""
        job = self.jobs[tool, name]
        job.status, job.since, job.messages = "failed", self.clock(), messages

    def put(self, tool: str, name: str, **given: Any) -> Job:
        """Make a job, as somebody else; without more it is continuous, and runs."""
        fields = {"job_type": "continuous", "cmd": "serve", "imagename": "python3.13", **given}
        job = self.jobs[tool, name] = Job({"name": name, **fields}, "running", self.clock())
        return job

    def _begin(self, job: Job, name: str) -> None:
        image = job.given["imagename"]
        job.since, job.messages, job.status = self.clock(), (), "running"
        if job.given["job_type"] == "scheduled":
            job.status = "pending"
        elif "slow" in image:
            job.status, job.messages = "pending", ("initializing",)
        elif "crash" in image:
            job.status, job.messages = "failed", ("exit code 1",)
        self.started[name] += 1

    async def _list(self, request: web.Request) -> web.Response:
        tool = request.match_info["tool_name"]
        now = self.clock()
        jobs = [self.shown(job.answer(now)) for (of, _), job in self.jobs.items() if of == tool]
        return web.json_response({"jobs": jobs, "messages": {}})

    async def _patch(self, request: web.Request) -> web.Response:
        tool, given = request.match_info["tool_name"], await request.json()
        self.bodies.append(given)
        name = given.get("name", "")
        if not NAME.fullmatch(name) or len(name) > MAX_NAME:
            return refusal(400, f"{name!r} is not the name of a job")
        if name in self.refuses:
            return refusal(400, self.refuses[name])
        job = self.jobs.get((tool, name))
        if job is not None and job.given == given and job.up_to_date:
            return web.json_response({"job_changed": False, "messages": {}})
        self.changes.append(f"{'change' if job else 'create'} {name}")
        self.jobs[tool, name] = job = Job(given, "pending", self.clock())
        self._begin(job, name)
        return web.json_response({"job_changed": True, "messages": {"info": ["Job updated."]}})

    def _find(self, request: web.Request) -> Job | None:
        return self.jobs.get((request.match_info["tool_name"], request.match_info["id"]))

    async def _get(self, request: web.Request) -> web.Response:
        job = self._find(request)
        if job is None:
            return _no_job(request)
        return web.json_response({"job": job.answer(self.clock()), "messages": {}})

    async def _delete(self, request: web.Request) -> web.Response:
        if self._find(request) is None:
            return _no_job(request)
        name = request.match_info["id"]
        self.changes.append(f"delete {name}")
        if name not in self.stays:
            del self.jobs[request.match_info["tool_name"], name]
        return web.json_response({"messages": {}})

    async def _restart(self, request: web.Request) -> web.Response:
        job = self._find(request)
        if job is None:
            return _no_job(request)
        name = request.match_info["id"]
        self.changes.append(f"restart {name}")
        self._begin(job, name)
        if job.given["job_type"] == "scheduled":
            job.status = "running"
        return web.json_response({"messages": {}})

    async def _logs(self, request: web.Request) -> web.StreamResponse:
        if self._find(request) is None:
            return _no_job(request)
        response = web.StreamResponse(headers={"Content-Type": "text/plain"})
        await response.prepare(request)
        for line in self.lines:
            await response.write(line + b"\n")
        try:
            if self.follows and request.query.get("follow") == "true":
                await asyncio.Event().wait()
        finally:
            self.left.set()
        await response.write_eof()
        return response

    async def _health(self, request: web.Request) -> web.Response:
        return web.json_response({"health": {"status": self.health, "message": "said"}})


def _no_job(request: web.Request) -> web.Response:
    return refusal(404, f"Job '{request.match_info['id']}' does not exist")
