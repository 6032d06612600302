"""The background loop: every deployment that is not final is moved on, by one of the instances."""

import asyncio
import logging
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from aiojobs import Scheduler

from backends.members.base import Members
from backends.members.rendezvous import responsible
from backends.stores.base import Document, StoreError
from components.engine.context import Engine
from components.engine.documents import DEPLOYMENT, is_cancelled
from components.engine.errors import EngineError
from components.engine.finding import find
from components.engine.reading import deployment_of
from components.engine.refresh import Refresher

logger = logging.getLogger(__name__)

ROUND_SECONDS = 1.0
"""How often it is looked for deployments that are due."""

FIRST_PAUSE_SECONDS = 1.0
MAX_PAUSE_SECONDS = 10.0
"""How long a deployment is left alone: short after a change, longer each time without one."""

WAITING_PAUSE_SECONDS = 2.0
"""The longest for one that waits for its turn, which another instance may have made room for."""

ROUND_LIMIT_SECONDS = 30.0
LEAVE_SECONDS = 2.0
"""How long what is under way may take when the loop is told to end."""

CONCURRENCY = 20
"""How many deployments are moved on at a time."""


@dataclass(frozen=True, slots=True)
class Pace:
    """When a deployment is due next, by the loop's clock, and how long it was left alone.

    `cancelled` is whether somebody had cancelled it by then.
    """

    due: float
    pause: float
    cancelled: bool = False


class Background:
    """Moves deployments on until it is cancelled. Nothing that it remembers has to outlive it."""

    def __init__(self, engine: Engine, refresher: Refresher, members: Members) -> None:
        self._engine = engine
        self._refresher = refresher
        self._members = members
        self._paces: Mapping[tuple[str, str], Pace] = {}
        self._busy: set[tuple[str, str]] = set()
        self._completed = asyncio.get_running_loop().time()

    @property
    def since_last_round(self) -> float:
        """How many seconds ago a round was last completed; at first, how old the loop is."""
        return asyncio.get_running_loop().time() - self._completed

    async def run(self) -> None:
        """Go round for ever: an error ends a round, and never the loop."""
        scheduler = Scheduler(limit=CONCURRENCY, exception_handler=_unforeseen)
        try:
            while True:
                try:
                    async with asyncio.timeout(ROUND_LIMIT_SECONDS):
                        await self._round(scheduler)
                except (StoreError, TimeoutError) as error:
                    logger.warning("looking for deployments failed: %s", str(error) or "no answer")
                except Exception:
                    # Whatever it was, the next round may go well; without it nothing would move.
                    logger.exception("a round of the background loop failed")
                else:
                    self._completed = asyncio.get_running_loop().time()
                await asyncio.sleep(self._jittered(ROUND_SECONDS))
        finally:
            # What is broken off leaves claims that others must wait for.
            await scheduler.wait_and_close(LEAVE_SECONDS)

    async def _round(self, scheduler: Scheduler) -> None:
        """Move on every deployment that is this instance's and due."""
        listing = await self._engine.store.list_open(DEPLOYMENT)
        for corrupt in listing.corrupt:
            logger.debug("left alone: %s", corrupt)
        live, now = self._members.live(), asyncio.get_running_loop().time()
        mine = {
            (document.tool, document.name): document
            for document in listing.documents
            if responsible(document.tool, live) == self._members.own
        }
        # What is no longer open, or another's now, is forgotten.
        fresh = Pace(now, 0)
        self._paces = {key: self._paces.get(key, fresh) for key in mine}
        for key, document in mine.items():
            pace = self._paces[key]
            newly_cancelled = is_cancelled(document) and not pace.cancelled
            if (pace.due <= now or newly_cancelled) and key not in self._busy:
                self._busy.add(key)
                await scheduler.spawn(self._move(key, document))
                # Each begins by itself, and others are served between.
                await asyncio.sleep(0)

    async def _move(self, key: tuple[str, str], document: Document) -> None:
        changed = waiting = False
        try:
            before = deployment_of(self._engine, document)
            if before.cancel_requested:
                self._refresher.forget(*key)
            answer = await self._refresher.refresh(document)
            if before.queued and not answer.value.queued and not answer.value.status.is_final:
                # It has just been let in, and has done nothing else yet.
                self._refresher.forget(*key)
                answer = await self._refresher.refresh(await find(self._engine, *key))
            changed = answer.value.tag != before.tag
            waiting = answer.value.queued
            if answer.value.status.is_final:
                self._hurry(key[0])
        except (StoreError, EngineError) as error:
            logger.warning("deployment %s could not be moved on: %s", key[1], error)
        finally:
            self._busy.discard(key)
            if key in self._paces:
                pace = self._next(self._paces[key], changed, waiting)
                self._paces = {**self._paces, key: replace(pace, cancelled=is_cancelled(document))}

    def _hurry(self, tool: str) -> None:
        """Look at a tool's other deployments at once: one of them may be next."""
        self._paces = {
            key: replace(pace, due=0) if key[0] == tool else pace
            for key, pace in self._paces.items()
        }

    def _next(self, pace: Pace, changed: bool, waiting: bool) -> Pace:
        pause = FIRST_PAUSE_SECONDS
        if not changed:
            longest = WAITING_PAUSE_SECONDS if waiting else MAX_PAUSE_SECONDS
            pause = min(max(pace.pause * 1.5, FIRST_PAUSE_SECONDS), longest)
        return Pace(asyncio.get_running_loop().time() + self._jittered(pause), pause)

    def _jittered(self, seconds: float) -> float:
        # Less, never more: what is promised is an upper bound.
        return seconds * self._engine.random.uniform(0.8, 1.0)


def _unforeseen(scheduler: Scheduler, context: dict[str, Any]) -> None:
    logger.error("moving a deployment on failed", exc_info=context.get("exception"))
