"""The API server's clock, from the `Date` of its responses: all instances share it.

If there are several API servers, the clock of one may be wrong, and so may this machine's own. So a
single response is never trusted against the others:

- The first response that agrees with this machine's own clock is trusted: two wrong clocks hardly
  agree. Otherwise, it takes `MIN_AGREEING` responses that agree.
- From then on, a response that differs by more than `MAX_SKEW_SECONDS` changes nothing. While it is
  the latest one, the clock is not `settled`: send another request, better on a new connection.
- If `MIN_AGREEING` such responses agree, over `JUMP_SECONDS` and as a `MAJORITY` of all responses
  in that time, they are trusted instead: the clock has jumped. `steady_for` returns the time since;
  do not judge anything by an age greater than that, since the jump may be part of it.
"""

import logging
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

from backends.clock import Clock, elapsed, utc_now

logger = logging.getLogger(__name__)

MAX_SKEW_SECONDS = 5.0
"""How much the clocks of API servers with the same time servers may differ."""

MIN_AGREEING = 5
MAJORITY = 2 / 3
JUMP_SECONDS = 30.0

SAMPLE_INTERVAL_SECONDS = 1.0
MAX_SAMPLES = 45
"""Once the time is known, one response per second is stored, and at most this many: two thirds of
them cover `JUMP_SECONDS`."""

MAX_SAMPLE_AGE_SECONDS = 120.0
"""How long a response counts."""


@dataclass(frozen=True, slots=True)
class Offset:
    """How far the server's clock is ahead of `elapsed`, at least and at most, in seconds."""

    low: float
    high: float

    @property
    def middle(self) -> float:
        """The best estimate."""
        return (self.low + self.high) / 2

    def is_close(self, other: "Offset") -> bool:
        """Whether both can be true of clocks that differ by no more than `MAX_SKEW_SECONDS`."""
        return max(self.low, other.low) - min(self.high, other.high) <= MAX_SKEW_SECONDS

    def narrowed(self, other: "Offset") -> "Offset":
        """Return the intersection of both; the other one if they do not overlap."""
        low, high = max(self.low, other.low), min(self.high, other.high)
        return Offset(low, high) if low <= high else other


@dataclass(frozen=True, slots=True)
class Sample:
    """The offset from one response, and its time on `elapsed`."""

    offset: Offset
    at: float


class ServerClock:
    """Estimates how far the server's clock is ahead of `elapsed`, which cannot be set.

    Each `Date` header (RFC 9110, 6.6.1) has whole seconds: the server's clock was between it and
    one second later. Several responses together give a closer estimate, and changes of this
    machine's time do not matter.
    """

    def __init__(self, elapsed: Callable[[], float] = elapsed, own: Clock = utc_now) -> None:
        self._elapsed = elapsed
        self._own = own
        self._trusted: Offset | None = None
        self._samples: deque[Sample] = deque(maxlen=MAX_SAMPLES)
        self._confirmed = False
        self._jumped: float | None = None
        self._last_returned = 0.0

    @property
    def known(self) -> bool:
        """Whether the time is known."""
        return self._trusted is not None

    @property
    def settled(self) -> bool:
        """Whether the time is known and the latest response agrees with it."""
        return self.known and self._confirmed

    def observe(self, date: str, sent: float, received: float) -> None:
        """Add a response: its `Date` header, and when its call began and ended on `elapsed`."""
        try:
            server = parsedate_to_datetime(date).timestamp()
        except (ValueError, OverflowError):
            return
        offset = Offset(server - received, server + 1 - sent)
        self._add_sample(Sample(offset, received))
        if self._trusted is None:
            own = self._own().timestamp() - received
            if offset.is_close(Offset(own, own)) or self._is_majority(offset):
                self._trusted = offset
        elif offset.is_close(self._trusted):
            self._trusted = self._trusted.narrowed(offset)
        elif self._is_majority(offset, JUMP_SECONDS):
            ahead = offset.middle - self._trusted.middle
            logger.warning("the clock of the Kubernetes API servers has jumped by %+.0f s", ahead)
            self._trusted, self._jumped, self._last_returned = offset, received, 0.0
        self._confirmed = self._trusted is not None and offset.is_close(self._trusted)

    def now(self) -> datetime:
        """Return the server's time, in UTC. `known` must be true.

        It never goes back when the estimate improves; only a jump can set it back.
        """
        if self._trusted is None:
            raise RuntimeError("the time is not known yet")
        self._last_returned = max(self._last_returned, self._elapsed() + self._trusted.middle)
        return datetime.fromtimestamp(self._last_returned, UTC)

    def steady_for(self) -> timedelta:
        """Return the time since the last jump; `timedelta.max` if there was none."""
        if self._jumped is None:
            return timedelta.max
        return timedelta(seconds=self._elapsed() - self._jumped)

    def _add_sample(self, sample: Sample) -> None:
        """Store a sample, at most one per interval, so that the samples reach back far enough."""
        if (
            self.known
            and self._samples
            and sample.at - self._samples[-1].at < SAMPLE_INTERVAL_SECONDS
        ):
            return
        self._samples.append(sample)
        while sample.at - self._samples[0].at > MAX_SAMPLE_AGE_SECONDS:
            self._samples.popleft()

    def _is_majority(self, offset: Offset, over: float = 0.0) -> bool:
        """Whether enough samples, over a long enough time, agree with an offset."""
        agreeing = [sample for sample in self._samples if sample.offset.is_close(offset)]
        return (
            len(agreeing) >= max(MIN_AGREEING, MAJORITY * len(self._samples))
            and agreeing[-1].at - agreeing[0].at >= over
        )
