"""No request blocks the event loop for long, or needs much memory, whatever it contains.

The service runs in its own process and measures itself, so that the client is not measured. A
request that takes too long is sent twice more, since the garbage collector may run at any time.
"""

import http.client
import subprocess
import sys
from collections.abc import Iterator

import pytest

from components.configuration.json_values import MAX_BYTES
from components.http.identity.identification import TOOL_HEADER
from tests.conftest import unmeasured
from tests.http.generated import generated
from tests.http.hostile import KNOWN, SUBJECT, TOOL, Request, config

MILLISECONDS = 50.0
MIB = 32.0

ANSWER_SECONDS = 20.0
GENERATED, IN_A_TEST = 80, 10


class Service:
    """A service that reports the cost of a request, in time or in memory."""

    def __init__(self, *measures: str) -> None:
        self._command = [sys.executable, "-m", "tests.http.measured", *measures]
        self._process: subprocess.Popen[str] | None = None
        self._port = 0

    def cost(self, request: Request) -> float:
        """Send a request, and return its cost."""
        if self._process is None:
            self._start()
        try:
            if request.stored is not None:
                for number in range(request.earlier, -1, -1):
                    value = {**request.stored, "z": number} if number else request.stored
                    status, _ = self._send(config(value))
                    assert status == 200
            self._command_line("begin")
            status, size = self._send(request)
            cost = self._command_line("end")
        except BaseException:
            # It may be blocked for long.
            self.stop()
            raise
        assert status < 500
        assert size <= 4 * MAX_BYTES * (1 + request.earlier)
        return float(cost)

    def stop(self) -> None:
        """Stop it; the next request starts another one."""
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
            self._process = None

    def _start(self) -> None:
        self._process = subprocess.Popen(
            self._command,
            env=unmeasured(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self._port = int(self._read_line())

    def _command_line(self, word: str) -> str:
        assert self._process is not None
        assert self._process.stdin is not None
        print(word, file=self._process.stdin, flush=True)
        return self._read_line()

    def _read_line(self) -> str:
        assert self._process is not None
        assert self._process.stdout is not None
        return self._process.stdout.readline()

    def _send(self, request: Request) -> tuple[int, int]:
        """Return the status of the answer, and its size in bytes."""
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=ANSWER_SECONDS)
        try:
            headers = {SUBJECT: f"CN={TOOL},O=toolforge", TOOL_HEADER: TOOL, **request.headers}
            connection.request(request.method, request.path, request.body, headers)
            response = connection.getresponse()
            return response.status, len(response.read())
        finally:
            connection.close()


@pytest.fixture(scope="module")
def timed() -> Iterator[Service]:
    """A service that measures the longest time for which its loop is blocked, in seconds."""
    service = Service()
    yield service
    service.stop()


@pytest.fixture(scope="module")
def weighed() -> Iterator[Service]:
    """A service that measures its peak of additional memory, in bytes."""
    service = Service("memory")
    yield service
    service.stop()


def held(service: Service, request: Request) -> float:
    """How long a request blocks the loop, in milliseconds: the best of three attempts."""
    times = []
    for _ in range(3):
        times.append(service.cost(request) * 1000)
        if times[-1] <= MILLISECONDS:
            break
    return min(times)


@pytest.mark.parametrize("name", KNOWN)
def test_known_expensive_requests_do_not_block_the_loop(timed: Service, name: str) -> None:
    assert held(timed, KNOWN[name]) <= MILLISECONDS


@pytest.mark.parametrize("name", KNOWN)
def test_known_expensive_requests_use_little_memory(weighed: Service, name: str) -> None:
    assert weighed.cost(KNOWN[name]) / 2**20 <= MIB


@pytest.mark.parametrize("first", range(0, GENERATED, IN_A_TEST))
def test_generated_requests_do_not_block_the_loop(timed: Service, first: int) -> None:
    for seed in range(first, first + IN_A_TEST):
        assert held(timed, generated(seed)) <= MILLISECONDS, f"generated({seed})"


@pytest.mark.parametrize("first", range(0, GENERATED, IN_A_TEST))
def test_generated_requests_use_little_memory(weighed: Service, first: int) -> None:
    for seed in range(first, first + IN_A_TEST):
        assert weighed.cost(generated(seed)) / 2**20 <= MIB, f"generated({seed})"
