"""One connection to an API server: raw JSON in and out; calls are bounded and retried."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, TypeVar

import aiohttp
from kubernetes_asyncio import client

from backends.clock import elapsed
from backends.kube.clock import ServerClock
from backends.kube.errors import (
    KubeError,
    KubeUnauthorized,
    KubeUnavailable,
    client_errors,
    error_of,
)
from backends.kube.login import Login
from backends.kube.responses import any_object, health_ok, stored_object
from backends.retries import attempts

T = TypeVar("T")
Operation = Callable[..., Awaitable[Any]]
Parser = Callable[[bytes], Any]
"""Parses a body; raises `ValueError` if it is not what was requested."""


@dataclass(frozen=True, slots=True)
class CallTimeouts:
    """How many seconds one attempt of a call may take, and the call with all its attempts."""

    attempt: float = 5.0
    total: float = 10.0


CALL = CallTimeouts()
LONG_LIST = CallTimeouts(25.0, 25.0)
"""For calls that grow with the number of tools: one attempt may use the whole time."""

PROBE = CallTimeouts(4.0, 4.0)
"""For health checks, which must return soon."""

_UNBOUNDED = aiohttp.ClientTimeout(sock_connect=CALL.attempt)


@dataclass(frozen=True, slots=True)
class Response:
    """A parsed response; `repeated` if an earlier attempt may already have been executed."""

    body: Any
    repeated: bool


class KubeConnection:
    """A connection to the API server. Call `open` first, `close` last.

    `kubeconfig` is the path of a file (or several, as for kubectl), `context` a context in it. If
    neither is given and this runs in a cluster, that cluster is used.
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
        """Load the configuration. Does nothing if it is open.

        Raises `EnvError` if there is no usable configuration.
        """
        await self._login.open()

    async def close(self) -> None:
        """Close all connections."""
        await self._login.close()

    @property
    def client(self) -> client.ApiClient:
        """The client to construct the library's APIs with."""
        return self._login.client

    async def ready(self) -> None:
        """Return if the API server reports that it is ready. Raises `KubeError`.

        Its information about etcd may be some seconds old, since it does not query etcd each time.
        The connection is closed: if there are several API servers, the next request may reach
        another one.
        """
        await self.call(
            self.client.call_api,
            "/readyz",
            "GET",
            parse=health_ok,
            header_params={"Connection": "close"},
            auth_settings=["BearerToken"],
        )

    async def serves(self, path: str) -> None:
        """Return if the API server serves this API group. Raises `KubeError`."""
        await self.call(
            self.client.call_api,
            path,
            "GET",
            parse=any_object,
            timeouts=PROBE,
            auth_settings=["BearerToken"],
        )

    async def call(
        self,
        operation: Operation,
        *args: Any,
        parse: Parser = stored_object,
        timeouts: CallTimeouts = CALL,
        **kwargs: Any,
    ) -> Response:
        """Call a function of the library's APIs; `parse` parses the body of its response.

        It is retried after transient errors, so it must be safe to repeat. Raises `KubeError`,
        whose `repeated` says whether an earlier attempt may have been executed.
        """
        until = elapsed() + timeouts.total
        repeated = False

        async def once() -> Any:
            seconds = max(0.1, min(timeouts.attempt, until - elapsed()))
            return await self._once(seconds, parse, operation, args, kwargs)

        async def attempt() -> Response:
            nonlocal repeated
            try:
                return Response(await self._authenticated(once, until), repeated)
            except KubeError as error:
                error.repeated = repeated
                # Without a valid response, the call may still have been executed.
                repeated = True
                raise

        return await attempts(within=timeouts.total)(attempt)

    async def stream(
        self, operation: Operation, *args: Any, **kwargs: Any
    ) -> AsyncGenerator[bytes, None]:
        """Stream the response to a function of the library's APIs, without a time limit.

        It is not retried. Raises `KubeError`.
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

        with client_errors():
            response = await self._authenticated(begin, elapsed() + CALL.total)
            async with response:
                async for chunk in response.content.iter_any():
                    yield chunk

    async def _authenticated(self, once: Callable[[], Awaitable[T]], until: float) -> T:
        """Return the result of `once`; after a 401, renew the login and try once again."""
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
        parse: Parser,
        operation: Operation,
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
    ) -> Any:
        sent = elapsed()
        with client_errors():
            async with asyncio.timeout(seconds):
                response = await operation(*args, _preload_content=False, **kwargs)
                async with response:
                    body = await response.read()
        if response.status >= HTTPStatus.BAD_REQUEST:
            # This may come from a proxy, so do not use its date.
            raise error_of(response.status, body, _retry_after(response.headers))
        try:
            found = parse(body)
        except ValueError as error:
            raise KubeUnavailable(
                f"the response is not from the Kubernetes API server: {error}"
            ) from None
        self.clock.observe(response.headers.get("Date", ""), sent, elapsed())
        return found


def _retry_after(headers: Any) -> float | None:
    """Return the `Retry-After` of the server in seconds; it sends integers (RFC 9110, 10.2.3)."""
    value = headers.get("Retry-After", "")
    return float(value) if value.isdecimal() else None
