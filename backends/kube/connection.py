"""One connection to an API server: raw JSON in and out, each call bounded and repeated."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, TypeVar

import aiohttp
from kubernetes_asyncio import client

from backends.clock import elapsed
from backends.kube.answers import an_object, anything, ok
from backends.kube.clock import ServerClock
from backends.kube.errors import (
    KubeError,
    KubeUnauthorized,
    KubeUnavailable,
    error_of,
    no_answer,
)
from backends.kube.login import Login
from backends.retries import attempts

T = TypeVar("T")
Operation = Callable[..., Awaitable[Any]]
Reading = Callable[[bytes], Any]
"""Returns what is in a body; raises `ValueError` where it is not what was asked for."""


@dataclass(frozen=True, slots=True)
class Patience:
    """How many seconds one attempt of a call may take, and the call with all its attempts."""

    attempt: float = 5.0
    total: float = 10.0


CALL = Patience()
LONG_LIST = Patience(25.0, 25.0)
"""For what grows with the number of tools: one attempt may take all of it."""

QUESTION = Patience(4.0, 4.0)
"""For what is asked only to tell how things are: its answer is not waited for long."""

_UNBOUNDED = aiohttp.ClientTimeout(sock_connect=CALL.attempt)


@dataclass(frozen=True, slots=True)
class Answer:
    """What the API server answered; `repeated` if an earlier attempt may have done it already."""

    body: Any
    repeated: bool


class KubeConnection:
    """The API server that a configuration names. `open` comes first, `close` last.

    `kubeconfig` is the path of a file (or several, as kubectl takes them), `context` a context in
    it. Where neither is given and this runs in a cluster, it is that cluster.
    """

    def __init__(
        self,
        kubeconfig: str | None = None,
        context: str | None = None,
        clock: ServerClock | None = None,
    ) -> None:
        self._login = Login(kubeconfig, context)
        self.clock = clock or ServerClock()

    async def open(self) -> None:
        """Read the configuration: of the kubeconfig, or of the cluster that this runs in.

        Raises `EnvError` where there is none that can be used. Nothing happens if it is open.
        """
        await self._login.open()

    async def close(self) -> None:
        """Let go of all connections."""
        await self._login.close()

    @property
    def client(self) -> client.ApiClient:
        """The client that the library's APIs are made with."""
        return self._login.client

    async def ready(self) -> None:
        """Return if the API server says that it is ready. Raises `KubeError`.

        What it says of its etcd may be some seconds old: it does not ask that for each question.
        The connection is not used again: where there are several API servers, the next question
        may go to another one.
        """
        await self.call(
            self.client.call_api,
            "/readyz",
            "GET",
            reading=ok,
            header_params={"Connection": "close"},
            auth_settings=["BearerToken"],
        )

    async def serves(self, path: str) -> None:
        """Return if the API server has this group of its API. Raises `KubeError`."""
        await self.call(
            self.client.call_api,
            path,
            "GET",
            reading=anything,
            patience=QUESTION,
            auth_settings=["BearerToken"],
        )

    async def call(
        self,
        operation: Operation,
        *args: Any,
        reading: Reading = an_object,
        patience: Patience = CALL,
        **kwargs: Any,
    ) -> Answer:
        """Call a function of the library's APIs; `reading` makes of the body what is answered.

        It is repeated after whatever may pass, so it must be one that may be carried out twice.
        Raises `KubeError`, whose `repeated` says whether an earlier attempt may have been.
        """
        until = elapsed() + patience.total
        repeated = False

        async def once() -> Any:
            seconds = max(0.1, min(patience.attempt, until - elapsed()))
            return await self._once(seconds, reading, operation, args, kwargs)

        async def attempt() -> Answer:
            nonlocal repeated
            try:
                return Answer(await self._logged_in(once, until), repeated)
            except KubeError as error:
                error.repeated = repeated
                # Whatever came instead of an answer, the call may have been carried out.
                repeated = True
                raise

        return await attempts(within=patience.total)(attempt)

    async def stream(
        self, operation: Operation, *args: Any, **kwargs: Any
    ) -> AsyncGenerator[bytes, None]:
        """Yield what a function of the library's APIs is answered, as it comes, for any time.

        It is not repeated. Raises `KubeError`.
        """

        async def begin() -> aiohttp.ClientResponse:
            async with asyncio.timeout(CALL.attempt):
                begun: aiohttp.ClientResponse = await operation(
                    *args, _preload_content=False, _request_timeout=_UNBOUNDED, **kwargs
                )
                if begun.status >= HTTPStatus.BAD_REQUEST:
                    async with begun:
                        raise error_of(begun.status, await begun.read())
                return begun

        with no_answer():
            response = await self._logged_in(begin, elapsed() + CALL.total)
            async with response:
                async for chunk in response.content.iter_any():
                    yield chunk

    async def _logged_in(self, once: Callable[[], Awaitable[T]], until: float) -> T:
        """Return what `once` does; another time if it was not let in and there is a new login."""
        used = self.client.configuration
        try:
            return await once()
        except KubeUnauthorized:
            if not await self._login.renew(used, max(0.0, until - elapsed())):
                raise
            return await once()

    async def _once(
        self,
        seconds: float,
        reading: Reading,
        operation: Operation,
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
    ) -> Any:
        sent = elapsed()
        with no_answer():
            async with asyncio.timeout(seconds):
                response = await operation(*args, _preload_content=False, **kwargs)
                async with response:
                    body = await response.read()
        if response.status >= HTTPStatus.BAD_REQUEST:
            # Perhaps not the API server's own, so its date is not looked at.
            raise error_of(response.status, body, _retry_after(response.headers))
        try:
            found = reading(body)
        except ValueError as error:
            raise KubeUnavailable(
                f"what answers is not the Kubernetes API server: {error}"
            ) from None
        self.clock.observe(response.headers.get("Date", ""), sent, elapsed())
        return found


def _retry_after(headers: Any) -> float | None:
    """Return the seconds that the server asks for; it writes whole ones (RFC 9110, 10.2.3)."""
    value = headers.get("Retry-After", "")
    return float(value) if value.isdecimal() else None
