"""The background loop: every open deployment is reconciled by one of the instances."""

import asyncio
import logging
from dataclasses import replace
from functools import partial

from backends.members.base import Members
from backends.members.rendezvous import responsible
from backends.stores.base import Document, StoreError
from backends.supervision import supervised
from components.engine.context import Engine
from components.engine.deployments.documents import DEPLOYMENT, is_cancelled
from components.engine.deployments.finding import find
from components.engine.deployments.reading import deployment_of
from components.engine.errors import EngineError, NoDeployment
from components.engine.loop.refreshing import Refresher
from components.engine.loop.scheduling import FairQueue, Key, Schedule, next_pause

logger = logging.getLogger(__name__)

ROUND_SECONDS = 1.0
"""How often the loop scans for open deployments, and enqueues those that are due."""

SCAN_TIMEOUT_SECONDS = 60.0
"""How long a scan for deployments may take; known ones are reconciled meanwhile."""

SLOW_SECONDS = 0.5
"""After how long a reconciliation frees its slot for others."""

SCAN_BATCH = 100
"""How many documents of a scan are processed before it yields to the event loop."""


class Background:
    """Reconciles deployments until it is cancelled. Its state need not survive a restart."""

    def __init__(self, engine: Engine, refresher: Refresher, members: Members) -> None:
        self._engine = engine
        self._refresher = refresher
        self._members = members
        self._queue = FairQueue()
        self._schedules: dict[Key, Schedule] = {}
        self._of_tool: dict[str, list[Key]] = {}
        self._found: dict[Key, Document] = {}
        """The documents of the last scan that were not used yet."""
        self._running: set[asyncio.Task[None]] = set()
        self._draining = False
        self._loop = asyncio.get_running_loop()
        self._last_scan = self._loop.time()
        self._scanned = False

    @property
    def since_last_scan(self) -> float:
        """Seconds since the last completed scan; before the first one, since the start."""
        return self._loop.time() - self._last_scan

    @property
    def lag(self) -> float:
        """For how many seconds the longest waiting deployment has been due."""
        due = self._queue.oldest_due()
        return 0.0 if due is None else max(0.0, self._loop.time() - due)

    async def run(self) -> None:
        """Run until cancelled: an error ends a round, never the loop."""
        scan = supervised(
            "scanning for deployments", self._scan, self._scan_pause, SCAN_TIMEOUT_SECONDS
        )
        enqueue = supervised("reconciling deployments", self._enqueue_due, self._pause)
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(scan)
                group.create_task(enqueue)
        finally:
            self.drain()
            # They only wait for queries of the refresher, which ends those itself.
            for task in self._running:
                task.cancel()
            if self._running:
                await asyncio.wait(self._running)

    def drain(self) -> None:
        """Start no more reconciliations; the running ones continue."""
        self._draining = True

    async def _scan(self) -> None:
        """Find the open deployments that this instance is responsible for; drop all others."""
        self._scanned = True
        try:
            listing = await self._engine.store.list_open(DEPLOYMENT)
        except StoreError as error:
            logger.warning("scanning for deployments failed: %s", str(error) or "no response")
            return
        for corrupt in listing.corrupt:
            logger.debug("skipped: %s", corrupt)
        live, mine = self._members.live(), {}
        for number, document in enumerate(listing.documents, 1):
            if responsible(document.tool, live) == self._members.own:
                mine[document.tool, document.name] = document
            if number % SCAN_BATCH == 0:
                await asyncio.sleep(0)
        self._found, self._of_tool = mine, {}
        for key in mine:
            self._of_tool.setdefault(key[0], []).append(key)
        initial = Schedule(self._loop.time())
        self._schedules = {key: self._schedules.get(key, initial) for key in mine}
        for key, document in mine.items():
            schedule = self._schedules[key]
            if is_cancelled(document) and not schedule.cancelled:
                self._schedules[key] = Schedule(min(schedule.due, initial.due), schedule.pause)
        self._last_scan = self._loop.time()
        await self._enqueue_due()

    async def _enqueue_due(self) -> None:
        """Enqueue all deployments that are due, the longest due first."""
        now = self._loop.time()
        due = sorted(
            (schedule.due, key) for key, schedule in self._schedules.items() if schedule.due <= now
        )
        for since, key in due:
            self._queue.add(key, since)
        self._start_next()

    def _start_next(self) -> None:
        """Start the next reconciliation, if a slot is free; and then the one after that."""
        key = None if self._draining else self._queue.take()
        if key is None:
            return
        task = asyncio.create_task(self._reconcile(key))
        self._running.add(task)
        slow = self._loop.call_later(SLOW_SECONDS, self._free_slot, key)
        # This is called however the task ends, even if it is cancelled before it starts.
        task.add_done_callback(partial(self._finished, key, slow))
        # Each start is a callback of its own, so that the event loop serves others in between.
        self._loop.call_soon(self._start_next)

    def _free_slot(self, key: Key) -> None:
        self._queue.free_slot(key)
        self._start_next()

    def _finished(self, key: Key, slow: asyncio.TimerHandle, task: asyncio.Task[None]) -> None:
        slow.cancel()
        self._running.discard(task)
        self._queue.done(key)
        if not task.cancelled() and (error := task.exception()):
            logger.error("reconciling deployment %s failed", key[1], exc_info=error)
        self._start_next()

    async def _reconcile(self, key: Key) -> None:
        changed = waiting = cancelled = False
        try:
            document = self._found.pop(key, None) or await find(self._engine, *key)
            cancelled = is_cancelled(document)
            before = deployment_of(self._engine, document)
            if before.cancel_requested:
                self._refresher.invalidate(*key)
            answer, stage = await self._refresher.refresh(document), before.stage
            while answer.value.stage is not stage and not answer.value.status.is_final:
                # It was just admitted, or built, or may start its runs: reconcile it again.
                stage = answer.value.stage
                self._refresher.invalidate(*key)
                answer = await self._refresher.refresh(await find(self._engine, *key))
            changed = answer.value.etag != before.etag
            waiting = answer.value.queued
            if answer.value.status.is_final:
                self._wake_others(key[0])
        except NoDeployment:
            self._schedules.pop(key, None)
        except (StoreError, EngineError) as error:
            logger.warning("reconciling deployment %s failed: %s", key[1], error)
        finally:
            if key in self._schedules:
                pause = next_pause(self._schedules[key], changed=changed, waiting=waiting)
                due = self._loop.time() + self._jittered(pause)
                self._schedules[key] = Schedule(due, pause, cancelled)

    def _wake_others(self, tool: str) -> None:
        """Reconcile a tool's other deployments at once: one of them may be next."""
        now = self._loop.time()
        for key in self._of_tool.get(tool, ()):
            schedule = self._schedules.get(key)
            if schedule is not None and schedule.due > now:
                self._schedules[key] = replace(schedule, due=now)

    def _scan_pause(self) -> float:
        return self._pause() if self._scanned else 0.0

    def _pause(self) -> float:
        return self._jittered(ROUND_SECONDS)

    def _jittered(self, seconds: float) -> float:
        # Shorter, never longer: the interval is an upper bound.
        return seconds * self._engine.random.uniform(0.8, 1.0)
