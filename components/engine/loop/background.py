"""The background loop: every deployment that is not final is moved on, by one of the instances."""

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
"""How often it is looked for deployments, and for those that are due."""

SCAN_TIMEOUT_SECONDS = 60.0
"""How long a look for deployments may take; those that are known are moved on meanwhile."""

SLOW_SECONDS = 0.5
"""After how long a move gives its place to others."""

SCAN_BATCH = 100
"""How many documents of a look are gone through before others are served."""


class Background:
    """Moves deployments on until it is cancelled. Nothing that it remembers has to outlive it."""

    def __init__(self, engine: Engine, refresher: Refresher, members: Members) -> None:
        self._engine = engine
        self._refresher = refresher
        self._members = members
        self._queue = FairQueue()
        self._schedules: dict[Key, Schedule] = {}
        self._of_tool: dict[str, list[Key]] = {}
        self._found: dict[Key, Document] = {}
        """What the last look has found, and was not used yet."""
        self._running: set[asyncio.Task[None]] = set()
        self._draining = False
        self._loop = asyncio.get_running_loop()
        self._last_scan = self._loop.time()
        self._scanned = False

    @property
    def since_last_scan(self) -> float:
        """How many seconds ago a look was last completed; at first, how old the loop is."""
        return self._loop.time() - self._last_scan

    @property
    def lag(self) -> float:
        """For how many seconds the deployment has been due that has waited longest for its turn."""
        due = self._queue.oldest_due()
        return 0.0 if due is None else max(0.0, self._loop.time() - due)

    async def run(self) -> None:
        """Go round for ever: an error ends a round, and never the loop."""
        scan = supervised(
            "looking for deployments", self._scan, self._scan_pause, SCAN_TIMEOUT_SECONDS
        )
        enqueue = supervised("moving deployments on", self._enqueue_due, self._pause)
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(scan)
                group.create_task(enqueue)
        finally:
            self.drain()
            # They only wait for looks at the builder, which are the refresher's to end.
            for task in self._running:
                task.cancel()
            if self._running:
                await asyncio.wait(self._running)

    def drain(self) -> None:
        """Begin nothing any more; what was begun goes on."""
        self._draining = True

    async def _scan(self) -> None:
        """Look which deployments are this instance's; the others are forgotten."""
        self._scanned = True
        try:
            listing = await self._engine.store.list_open(DEPLOYMENT)
        except StoreError as error:
            logger.warning("looking for deployments failed: %s", str(error) or "no answer")
            return
        for corrupt in listing.corrupt:
            logger.debug("left alone: %s", corrupt)
        live, mine = self._members.live(), {}
        for number, document in enumerate(listing.documents, 1):
            if responsible(document.tool, live) == self._members.own:
                mine[document.tool, document.name] = document
            if number % SCAN_BATCH == 0:
                await asyncio.sleep(0)
        self._found, self._of_tool = mine, {}
        for key in mine:
            self._of_tool.setdefault(key[0], []).append(key)
        fresh = Schedule(self._loop.time())
        self._schedules = {key: self._schedules.get(key, fresh) for key in mine}
        for key, document in mine.items():
            schedule = self._schedules[key]
            if is_cancelled(document) and not schedule.cancelled:
                self._schedules[key] = Schedule(min(schedule.due, fresh.due), schedule.pause)
        self._last_scan = self._loop.time()
        await self._enqueue_due()

    async def _enqueue_due(self) -> None:
        """Let all wait for their turn that are due, the longest due first."""
        now = self._loop.time()
        due = sorted(
            (schedule.due, key) for key, schedule in self._schedules.items() if schedule.due <= now
        )
        for since, key in due:
            self._queue.add(key, since)
        self._start_next()

    def _start_next(self) -> None:
        """Begin the next task, if there is a place for it; and then the one after that."""
        key = None if self._draining else self._queue.take()
        if key is None:
            return
        task = asyncio.create_task(self._reconcile(key))
        self._running.add(task)
        slow = self._loop.call_later(SLOW_SECONDS, self._free_slot, key)
        # Whatever becomes of the task, even before its first line, this is called.
        task.add_done_callback(partial(self._finished, key, slow))
        # Each begins by itself, and others are served between.
        self._loop.call_soon(self._start_next)

    def _free_slot(self, key: Key) -> None:
        self._queue.free_slot(key)
        self._start_next()

    def _finished(self, key: Key, slow: asyncio.TimerHandle, task: asyncio.Task[None]) -> None:
        slow.cancel()
        self._running.discard(task)
        self._queue.done(key)
        if not task.cancelled() and (error := task.exception()):
            logger.error("moving deployment %s on failed", key[1], exc_info=error)
        self._start_next()

    async def _reconcile(self, key: Key) -> None:
        changed = waiting = cancelled = False
        try:
            document = self._found.pop(key, None) or await find(self._engine, *key)
            cancelled = is_cancelled(document)
            before = deployment_of(self._engine, document)
            if before.cancel_requested:
                self._refresher.invalidate(*key)
            answer = await self._refresher.refresh(document)
            if before.queued and not answer.value.queued and not answer.value.status.is_final:
                # It has just been let in, and has done nothing else yet.
                self._refresher.invalidate(*key)
                answer = await self._refresher.refresh(await find(self._engine, *key))
            changed = answer.value.etag != before.etag
            waiting = answer.value.queued
            if answer.value.status.is_final:
                self._wake_others(key[0])
        except NoDeployment:
            self._schedules.pop(key, None)
        except (StoreError, EngineError) as error:
            logger.warning("deployment %s could not be moved on: %s", key[1], error)
        finally:
            if key in self._schedules:
                pause = next_pause(self._schedules[key], changed=changed, waiting=waiting)
                due = self._loop.time() + self._jittered(pause)
                self._schedules[key] = Schedule(due, pause, cancelled)

    def _wake_others(self, tool: str) -> None:
        """Look at a tool's other deployments at once: one of them may be next."""
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
        # Less, never more: what is promised is an upper bound.
        return seconds * self._engine.random.uniform(0.8, 1.0)
