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
from components.engine.loop.pacing import Key, Schedule, Turns, next_pause
from components.engine.loop.refreshing import Refresher

logger = logging.getLogger(__name__)

ROUND_SECONDS = 1.0
"""How often it is looked for deployments, and for those that are due."""

LOOK_LIMIT_SECONDS = 60.0
"""How long a look for deployments may take; those that are known are moved on meanwhile."""

LONG_SECONDS = 0.5
"""After how long a move gives its place to others."""

AT_ONCE = 100
"""How many documents of a look are gone through before others are served."""


class Background:
    """Moves deployments on until it is cancelled. Nothing that it remembers has to outlive it."""

    def __init__(self, engine: Engine, refresher: Refresher, members: Members) -> None:
        self._engine = engine
        self._refresher = refresher
        self._members = members
        self._turns = Turns()
        self._schedules: dict[Key, Schedule] = {}
        self._of_tool: dict[str, list[Key]] = {}
        self._found: dict[Key, Document] = {}
        """What the last look has found, and was not used yet."""
        self._moves: set[asyncio.Task[None]] = set()
        self._resting = False
        self._loop = asyncio.get_running_loop()
        self._completed = self._loop.time()
        self._looked = False

    @property
    def since_last_round(self) -> float:
        """How many seconds ago a look was last completed; at first, how old the loop is."""
        return self._loop.time() - self._completed

    @property
    def lag(self) -> float:
        """For how many seconds the deployment has been due that has waited longest for its turn."""
        due = self._turns.longest_due()
        return 0.0 if due is None else max(0.0, self._loop.time() - due)

    async def run(self) -> None:
        """Go round for ever: an error ends a round, and never the loop."""
        look = supervised(
            "looking for deployments", self._look, self._pause_of_looks, LOOK_LIMIT_SECONDS
        )
        put = supervised("moving deployments on", self._put_due, self._pause)
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(look)
                group.create_task(put)
        finally:
            self.rest()
            # They only wait for looks at the builder, which are the refresher's to end.
            for move in self._moves:
                move.cancel()
            if self._moves:
                await asyncio.wait(self._moves)

    def rest(self) -> None:
        """Begin nothing any more; what was begun goes on."""
        self._resting = True

    async def _look(self) -> None:
        """Look which deployments are this instance's; the others are forgotten."""
        self._looked = True
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
            if number % AT_ONCE == 0:
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
        self._completed = self._loop.time()
        await self._put_due()

    async def _put_due(self) -> None:
        """Let all wait for their turn that are due, the longest due first."""
        now = self._loop.time()
        due = sorted(
            (schedule.due, key) for key, schedule in self._schedules.items() if schedule.due <= now
        )
        for since, key in due:
            self._turns.join(key, since)
        self._begin()

    def _begin(self) -> None:
        """Begin the next move, if there is a place for it; and then the one after that."""
        key = None if self._resting else self._turns.take()
        if key is None:
            return
        move = asyncio.create_task(self._move(key))
        self._moves.add(move)
        long = self._loop.call_later(LONG_SECONDS, self._make_way, key)
        # Whatever becomes of the task, even before its first line, this is called.
        move.add_done_callback(partial(self._ended, key, long))
        # Each begins by itself, and others are served between.
        self._loop.call_soon(self._begin)

    def _make_way(self, key: Key) -> None:
        self._turns.make_way(key)
        self._begin()

    def _ended(self, key: Key, long: asyncio.TimerHandle, move: asyncio.Task[None]) -> None:
        long.cancel()
        self._moves.discard(move)
        self._turns.end(key)
        if not move.cancelled() and (error := move.exception()):
            logger.error("moving deployment %s on failed", key[1], exc_info=error)
        self._begin()

    async def _move(self, key: Key) -> None:
        changed = waiting = cancelled = False
        try:
            document = self._found.pop(key, None) or await find(self._engine, *key)
            cancelled = is_cancelled(document)
            before = deployment_of(self._engine, document)
            if before.cancel_requested:
                self._refresher.forget(*key)
            answer, stage = await self._refresher.refresh(document), before.stage
            while answer.value.stage is not stage and not answer.value.status.is_final:
                # It has just been admitted, or built, or may start its runs: it does so at once.
                stage = answer.value.stage
                self._refresher.forget(*key)
                answer = await self._refresher.refresh(await find(self._engine, *key))
            changed = answer.value.etag != before.etag
            waiting = answer.value.queued
            if answer.value.status.is_final:
                self._hurry(key[0])
        except NoDeployment:
            self._schedules.pop(key, None)
        except (StoreError, EngineError) as error:
            logger.warning("deployment %s could not be moved on: %s", key[1], error)
        finally:
            if key in self._schedules:
                pause = next_pause(self._schedules[key], changed=changed, waiting=waiting)
                due = self._loop.time() + self._jittered(pause)
                self._schedules[key] = Schedule(due, pause, cancelled)

    def _hurry(self, tool: str) -> None:
        """Look at a tool's other deployments at once: one of them may be next."""
        now = self._loop.time()
        for key in self._of_tool.get(tool, ()):
            schedule = self._schedules.get(key)
            if schedule is not None and schedule.due > now:
                self._schedules[key] = replace(schedule, due=now)

    def _pause_of_looks(self) -> float:
        return self._pause() if self._looked else 0.0

    def _pause(self) -> float:
        return self._jittered(ROUND_SECONDS)

    def _jittered(self, seconds: float) -> float:
        # Less, never more: what is promised is an upper bound.
        return seconds * self._engine.random.uniform(0.8, 1.0)
