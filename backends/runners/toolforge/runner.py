"""Toolforge's jobs service as a runner, over HTTP.

A component is a job of its name. The service replaces a job that has changed, and does not say of
which deployment it is, nor whether the name of its image means another image by now.
"""

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import aclosing
from typing import Any, Self

from environs import Env
from yarl import URL

from backends.clock import Clock, utc_now
from backends.retries import attempts
from backends.runners.base import (
    Checked,
    Fence,
    Remark,
    Runner,
    RunnerUnavailable,
    Running,
    RunRejected,
    RunRequest,
    RunSpec,
    Wanted,
)
from backends.runners.toolforge.differences import differences
from backends.runners.toolforge.errors import runner_errors
from backends.runners.toolforge.payloads import (
    CONTINUOUS,
    SCHEDULED,
    Job,
    job_of,
    jobs_in,
    name_of,
    type_of,
    wanted_in,
)
from backends.runners.toolforge.states import JobStatus, state_of
from backends.toolforge.api import ServiceApi
from backends.toolforge.errors import NoResponse, NotFound
from backends.toolforge.files import ClientFiles
from backends.toolforge.settings import Gateway

TOTAL_SECONDS = 10.0
"""The time limit of a call with all its attempts."""

CHANGE_SECONDS = 25.0
"""The timeout of a change: the service waits for the old version to go before it answers."""

MAX_NAME = 52
"""How many characters the name of a job may have."""

_WITHOUT_DEFAULTS = {"include_unset": "false"}


class ToolforgeRunner(Runner):
    """Jobs of the service at `url`, the base of its paths (`v1/tool/...`).

    `within` is the time limit in seconds of a call with all its attempts.
    """

    marks = False

    def __init__(
        self,
        url: URL,
        files: ClientFiles | None = None,
        within: float = TOTAL_SECONDS,
        clock: Clock = utc_now,
    ) -> None:
        gateway = Gateway(url, files or ClientFiles())
        self._api = ServiceApi("the jobs service", gateway, CHANGE_SECONDS)
        self._within = within
        self._clock = clock

    @classmethod
    def from_env(cls, env: Env) -> Self:
        """Return a runner configured by `TOOLFORGE_URL`, `_CERT`, `_KEY`, `_CA`.

        The URL is the gateway's; the jobs service is at its `/jobs`.
        """
        gateway = Gateway.from_env(env, "jobs")
        return cls(gateway.url, gateway.files)

    async def open(self) -> None:
        """See `Runner.open`."""
        await self._api.open()

    def check(self, tool: str, component: str, spec: RunSpec) -> Checked:
        """See `Runner.check`."""
        if len(component) <= MAX_NAME:
            return Checked()
        longest = f"the name of a job has at most {MAX_NAME} characters"
        return Checked((Remark("", f"{longest}, and this has {len(component)}"),))

    def differences(self, running: Running, wanted: Wanted) -> tuple[str, ...]:
        """See `Runner.differences`."""
        return differences(running.wanted, wanted) if running.wanted else ("cmd: is not set",)

    async def list(self, tool: str) -> Mapping[str, Running]:
        """See `Runner.list`: all jobs that are continuous or scheduled."""
        with runner_errors():
            jobs: tuple[Job, ...] = await attempts(self._within)(self._jobs, tool)
        return {name_of(each): self._running(each) for each in jobs}

    async def apply(self, request: RunRequest, running: Running | None) -> None:
        """See `Runner.apply`. What has not changed is started again for another revision."""
        job = job_of(request.component, request.wanted)
        with runner_errors():
            answer: Mapping[str, Any] = await attempts(self._within)(
                self._api.start, "PATCH", request.tool, "jobs", body=job
            )
            is_same = answer.get("job_changed") is not True
            if is_same and job["job_type"] == CONTINUOUS and _is_another(request.wanted, running):
                await self._restart(request.tool, request.component)

    async def remove(self, tool: str, running: Running, fence: Fence | None = None) -> None:
        """See `Runner.remove`."""
        with runner_errors():
            try:
                await attempts(self._within)(
                    self._api.start, "DELETE", tool, "jobs", running.component
                )
            except NotFound:
                return  # it is gone already

    async def restart(self, tool: str, component: str) -> None:
        """See `Runner.restart`."""
        with runner_errors(component):
            if type_of(await self._job(tool, component)) != CONTINUOUS:
                raise RunRejected(f"{component} is not continuous: it is started, not restarted")
            await self._restart(tool, component)

    async def start(self, tool: str, component: str) -> None:
        """See `Runner.start`."""
        with runner_errors(component):
            job = await self._job(tool, component)
            if type_of(job) != SCHEDULED:
                raise RunRejected(f"{component} is not scheduled: it is restarted, not started")
            if state_of(job, self._clock()).status is JobStatus.RUNNING:
                raise RunRejected(f"{component} is running already")
            await self._restart(tool, component)

    async def log(self, tool: str, component: str, *, follow: bool = False) -> AsyncIterator[str]:
        """See `Runner.log`."""
        with runner_errors(component):
            async with aclosing(
                self._api.lines(tool, "jobs", component, "logs", follow=follow)
            ) as lines:
                async for line in lines:
                    yield _text_of(line)

    async def ping(self) -> None:
        """See `Runner.ping`."""
        with runner_errors():
            answer = await self._api.call("GET", "", "healthz")
        health = answer.get("health")
        if isinstance(health, dict) and health.get("status") == "ERROR":
            raise RunnerUnavailable(f"the jobs service is not well: {health.get('message', '')}")

    async def close(self) -> None:
        """See `Runner.close`."""
        await self._api.close()

    async def _jobs(self, tool: str) -> tuple[Job, ...]:
        answer = await self._api.call("GET", tool, "jobs", params=_WITHOUT_DEFAULTS)
        jobs = jobs_in(answer)
        if jobs is None:
            raise NoResponse("the jobs service did not return a list of jobs")
        return tuple(jobs)

    async def _job(self, tool: str, component: str) -> Job:
        path = (tool, "jobs", component)
        answer: Mapping[str, Any] = await attempts(self._within)(self._api.call, "GET", *path)
        job = answer.get("job")
        if not isinstance(job, dict):
            raise NoResponse("the jobs service did not return a job")
        return job

    async def _restart(self, tool: str, component: str) -> None:
        await attempts(self._within)(self._api.start, "POST", tool, "jobs", component, "restart")

    def _running(self, job: Job) -> Running:
        state, wanted = state_of(job, self._clock()), wanted_in(job)
        replicas = 0 if type_of(job) == SCHEDULED else (wanted and wanted.spec.replicas) or 1
        drift = ("the job was changed where it runs",) if state.changed_by_others else ()
        return Running(
            name_of(job),
            state.health,
            state.message,
            wanted,
            ready=replicas if state.status is JobStatus.RUNNING else 0,
            replicas=replicas,
            started=state.since,
            next_run=state.next_run,
            drift=drift,
            marked=False,
        )


def _is_another(wanted: Wanted, running: Running | None) -> bool:
    """Whether the name of an image means another build than what runs, as far as is known."""
    if running is None or not wanted.revision:
        return False
    return running.wanted is None or running.wanted.revision != wanted.revision


def _text_of(line: bytes) -> str:
    """Return a line of a log: the message of an entry of the service's, or the line as it is."""
    text = line.decode("utf-8", "replace").rstrip("\r\n")
    try:
        entry: Any = json.loads(text)
    except (ValueError, RecursionError):
        return text
    if isinstance(entry, dict) and "pod" in entry and isinstance(entry.get("message"), str):
        return str(entry["message"]).rstrip("\r\n").replace("\n", " ")
    return text
