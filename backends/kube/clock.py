"""The API server's clock, as its answers tell it: what all instances share.

Where there are several API servers, the clock of one may be wrong, and so may this machine's own.
So no single answer is believed against the others:

- The first that this machine's own clock confirms is believed: two that are wrong are hardly wrong
  alike. Without that, it takes `ENOUGH` answers that agree.
- From then on an answer that is `CLOSE_SECONDS` off changes nothing. It is only noted, and while it
  is the latest one, the clock is not `settled`: whoever needs the time asks again, and better on
  another connection.
- What `ENOUGH` of such answers say alike, over `JUMP_SECONDS` and with `MAJORITY` of all answers in
  that time, is believed instead. `steady_for` then says how long ago that was: nothing is to be
  judged by an age that is greater, since that jump may be a part of it.
"""

import logging
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

from backends.clock import Clock, elapsed, utc_now

logger = logging.getLogger(__name__)

CLOSE_SECONDS = 5.0
"""How far apart the clocks of API servers may be that are kept by the same time servers."""

ENOUGH = 5
MAJORITY = 2 / 3
JUMP_SECONDS = 30.0

VOTE_SECONDS = 1.0
VOTES = 45
"""Once the time is known, one answer in each second is remembered, and so many of them: two thirds
are as much as `JUMP_SECONDS` has."""

OLD_SECONDS = 120.0
"""After how long an answer no longer counts."""


@dataclass(frozen=True, slots=True)
class Offset:
    """By how much the server's clock is ahead of `elapsed`, at least and at most, in seconds."""

    low: float
    high: float

    @property
    def middle(self) -> float:
        """The best guess."""
        return (self.low + self.high) / 2

    def is_close(self, other: "Offset") -> bool:
        """Whether both can be true of clocks that are as good as the same."""
        return max(self.low, other.low) - min(self.high, other.high) <= CLOSE_SECONDS

    def narrowed(self, other: "Offset") -> "Offset":
        """Return what both say together; of what cannot both be true, the other."""
        low, high = max(self.low, other.low), min(self.high, other.high)
        return Offset(low, high) if low <= high else other


@dataclass(frozen=True, slots=True)
class Vote:
    """What an answer said, and when by `elapsed`."""

    offset: Offset
    at: float


class ServerClock:
    """Narrows down by how much the server's clock is ahead of `elapsed`, which nobody sets.

    Each `Date` header (RFC 9110, 6.6.1) has whole seconds: when it was written, the server's clock
    was somewhere between it and a second later. What several answers say together is closer than
    that, and no change of this machine's time matters.
    """

    def __init__(self, elapsed: Callable[[], float] = elapsed, own: Clock = utc_now) -> None:
        self._elapsed = elapsed
        self._own = own
        self._believed: Offset | None = None
        self._votes: deque[Vote] = deque(maxlen=VOTES)
        self._confirmed = False
        self._jumped: float | None = None
        self._latest = 0.0

    @property
    def known(self) -> bool:
        """Whether the time is known at all."""
        return self._believed is not None

    @property
    def settled(self) -> bool:
        """Whether the time is known, and the latest answer says the same."""
        return self.known and self._confirmed

    def observe(self, date: str, sent: float, received: float) -> None:
        """Take note of an answer: its `Date` header, and when by `elapsed` its call ran."""
        try:
            server = parsedate_to_datetime(date).timestamp()
        except (ValueError, OverflowError):
            return
        said = Offset(server - received, server + 1 - sent)
        self._vote(Vote(said, received))
        if self._believed is None:
            own = self._own().timestamp() - received
            if said.is_close(Offset(own, own)) or self._is_agreed(said):
                self._believed = said
        elif said.is_close(self._believed):
            self._believed = self._believed.narrowed(said)
        elif self._is_agreed(said, JUMP_SECONDS):
            ahead = said.middle - self._believed.middle
            logger.warning("the clock of the Kubernetes API servers has jumped by %+.0f s", ahead)
            self._believed, self._jumped, self._latest = said, received, 0.0
        self._confirmed = self._believed is not None and said.is_close(self._believed)

    def now(self) -> datetime:
        """Return the server's time, in UTC. `known` must be true.

        It never goes back by what a better estimate takes off; only a jump takes it back.
        """
        if self._believed is None:
            raise RuntimeError("the time is not known")
        self._latest = max(self._latest, self._elapsed() + self._believed.middle)
        return datetime.fromtimestamp(self._latest, UTC)

    def steady_for(self) -> timedelta:
        """Return for how long it has gone on without a jump; `timedelta.max` if there was none."""
        if self._jumped is None:
            return timedelta.max
        return timedelta(seconds=self._elapsed() - self._jumped)

    def _vote(self, vote: Vote) -> None:
        """Remember an answer; not each, so that what is remembered reaches back far enough."""
        if self.known and self._votes and vote.at - self._votes[-1].at < VOTE_SECONDS:
            return
        self._votes.append(vote)
        while vote.at - self._votes[0].at > OLD_SECONDS:
            self._votes.popleft()

    def _is_agreed(self, said: Offset, over: float = 0.0) -> bool:
        """Whether enough answers, for long enough, have said the same."""
        alike = [vote for vote in self._votes if vote.offset.is_close(said)]
        return (
            len(alike) >= max(ENOUGH, MAJORITY * len(self._votes))
            and alike[-1].at - alike[0].at >= over
        )
