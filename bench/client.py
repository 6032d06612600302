"""A small HTTP client for load: raw requests on kept connections, and as little else as possible.

`repeat` sends the next request as soon as the last one is answered; `at_rate` sends at fixed times,
and counts from them, so that a server that stalls does not hide how long it made others wait.
"""

import asyncio
import re
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import cycle

_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_STATUS = slice(9, 12)
_SUCCESS = b"2"
LEAST_ANSWERS = 100
"""Where the machine is busy with something else, the load lasts until there are so many."""

ANSWER_SECONDS = 30.0
"""How long those that are missing in the end may take."""


@dataclass(slots=True)
class Counted:
    """How many requests were answered, and how many of them not with 2xx."""

    answers: int = 0
    failed: int = 0


class Connection(asyncio.Protocol):
    """A connection; `answered` is called with it, and whether the status was 2xx."""

    def __init__(self, answered: Callable[["Connection", bool], None]) -> None:
        self._answered = answered
        self._received = b""
        self._transport: asyncio.WriteTransport | None = None
        self.sent = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See `asyncio.Protocol`."""
        assert isinstance(transport, asyncio.WriteTransport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """See `asyncio.Protocol`. One answer at a time: the next request is sent after it."""
        self._received += data
        head = self._received.find(b"\r\n\r\n")
        if head < 0:
            return
        length = _LENGTH.search(self._received, 0, head)
        size = head + 4 + (int(length[1]) if length else 0)
        if len(self._received) >= size:
            success = self._received[_STATUS].startswith(_SUCCESS)
            self._received = self._received[size:]
            self._answered(self, success)

    def connection_lost(self, exc: Exception | None) -> None:
        """See `asyncio.Protocol`. A connection that the server closes is a failed request."""
        if self._transport is not None:
            self._answered(self, False)

    def send(self, message: bytes) -> None:
        """Send a request."""
        if self._transport is not None:
            self._transport.write(message)

    def close(self) -> None:
        """Close the connection."""
        transport, self._transport = self._transport, None
        if transport is not None:
            transport.close()


async def _connect(
    address: tuple[str, int], number: int, answered: Callable[[Connection, bool], None]
) -> list[Connection]:
    loop = asyncio.get_running_loop()
    opened = [
        await loop.create_connection(lambda: Connection(answered), *address) for _ in range(number)
    ]
    return [connection for _, connection in opened]


async def repeat(
    address: tuple[str, int], messages: Sequence[bytes], connections: int, seconds: float
) -> Counted:
    """Keep all connections busy for some seconds, and until there are `LEAST_ANSWERS`.

    Raises `TimeoutError` if there are not as many within `ANSWER_SECONDS`.
    """
    counted, turn, enough = Counted(), cycle(messages), asyncio.Event()

    def answered(connection: Connection, success: bool) -> None:
        counted.answers += 1
        counted.failed += not success
        if counted.answers == LEAST_ANSWERS:
            enough.set()
        connection.send(next(turn))

    opened = await _connect(address, connections, answered)
    for each in opened:
        each.send(next(turn))
    await asyncio.sleep(seconds)
    async with asyncio.timeout(ANSWER_SECONDS):
        await enough.wait()
    for each in opened:
        each.close()
    return counted


@dataclass(slots=True)
class _Paced:
    """Requests that are sent at their times, each on a free connection or on the next one."""

    message: bytes
    number: int
    done: asyncio.Event = field(default_factory=asyncio.Event)
    free: deque[Connection] = field(default_factory=deque)
    due: deque[float] = field(default_factory=deque)
    latencies: list[float] = field(default_factory=list)
    failed: int = 0

    def answered(self, connection: Connection, success: bool) -> None:
        self.latencies.append(time.perf_counter() - connection.sent)
        self.failed += not success
        self.free.append(connection)
        self.send_due()
        if len(self.latencies) == self.number:
            self.done.set()

    def send_due(self) -> None:
        while self.free and self.due:
            connection = self.free.popleft()
            connection.sent = self.due.popleft()
            connection.send(self.message)


async def at_rate(
    address: tuple[str, int], message: bytes, connections: int, rate: float, seconds: float
) -> list[float]:
    """Send requests at a rate; return the seconds from each one's time to its answer.

    Raises `ConnectionError` if one was not answered with 2xx.
    """
    number = round(rate * seconds)
    paced = _Paced(message, number)
    opened = await _connect(address, connections, paced.answered)
    paced.free.extend(opened)
    began = time.perf_counter()
    for each in range(number):
        due = began + each / rate
        await asyncio.sleep(max(0.0, due - time.perf_counter()))
        paced.due.append(due)
        paced.send_due()
    async with asyncio.timeout(ANSWER_SECONDS):
        await paced.done.wait()
    for each_connection in opened:
        each_connection.close()
    if paced.failed:
        raise ConnectionError(f"{paced.failed} of {number} requests failed")
    return paced.latencies
