"""One connection to an API server: raw JSON in and out, each call bounded and repeated."""

import asyncio
import json
import os
from collections.abc import AsyncGenerator, Awaitable, Callable
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

import aiohttp
from environs import EnvError
from kubernetes_asyncio import client, config

from backends.kube.clock import ServerClock
from backends.kube.errors import KubeError, KubeUnavailable, error_of
from backends.retries import attempts

CALL_SECONDS = 5.0
"""How long one attempt of a call may take."""

TOTAL_SECONDS = 10.0
"""How long a call may take with all its attempts."""

OPEN_SECONDS = 30.0
"""How long reading the configuration may take."""

_UNBOUNDED = aiohttp.ClientTimeout(sock_connect=CALL_SECONDS)

Operation = Callable[..., Awaitable[Any]]


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

    def __init__(self, kubeconfig: str | None = None, context: str | None = None) -> None:
        self._kubeconfig = kubeconfig
        self._context = context
        self._client: client.ApiClient | None = None
        self.clock = ServerClock()

    async def open(self) -> None:
        """Read the configuration: of the kubeconfig, or of the cluster that this runs in.

        Raises `EnvError` where there is none that can be used. Nothing happens if it is open.
        """
        if self._client is not None:
            return
        configuration = client.Configuration()
        named = self._kubeconfig or self._context
        try:
            if "KUBERNETES_SERVICE_HOST" in os.environ and not named:
                config.load_incluster_config(client_configuration=configuration)
            else:
                async with asyncio.timeout(OPEN_SECONDS):  # it may run a program
                    await config.load_kube_config(
                        self._kubeconfig, self._context, client_configuration=configuration
                    )
        except Exception as error:  # whatever is in the file, the library stumbles over it
            raise EnvError(
                "no Kubernetes configuration can be used, neither of KUBECONFIG nor of a cluster "
                f"around this: {error}"
            ) from None
        self._client = client.ApiClient(configuration)
        # aiohttp would by itself repeat a PUT or DELETE whose connection was cut: we would not know
        # that the first one may have been carried out. It has no public switch for it.
        self._client.rest_client.pool_manager._retry_connection = False

    async def close(self) -> None:
        """Let go of all connections."""
        if self._client is not None:
            await self._client.close()

    @property
    def client(self) -> client.ApiClient:
        """The client that the library's APIs are made with."""
        if self._client is None:
            raise RuntimeError("the connection has not been opened")
        return self._client

    async def ready(self) -> None:
        """Return if the API server says that it is ready, its etcd included. Raises `KubeError`."""
        options = {"auth_settings": ["BearerToken"]}
        await self.call(self.client.call_api, "/readyz", "GET", **options)

    async def call(self, operation: Operation, *args: Any, **kwargs: Any) -> Answer:
        """Call a function of the library's APIs, with raw JSON in and out.

        It is repeated after whatever may pass, so it must be one that may be carried out twice.
        Raises `KubeError`, whose `repeated` says whether an earlier attempt may have been.
        """
        began = self.clock.elapsed()
        repeated = False

        async def attempt() -> Answer:
            nonlocal repeated
            left = TOTAL_SECONDS - (self.clock.elapsed() - began)
            try:
                return Answer(await self._once(operation, left, args, kwargs), repeated)
            except KubeError as error:
                error.repeated = repeated
                # Whatever came instead of an answer, the call may have been carried out.
                repeated = True
                raise

        return await attempts(within=TOTAL_SECONDS)(attempt)

    async def stream(
        self, operation: Operation, *args: Any, **kwargs: Any
    ) -> AsyncGenerator[bytes, None]:
        """Yield what a function of the library's APIs is answered, as it comes, for any time.

        It is not repeated. Raises `KubeError`.
        """
        try:
            async with asyncio.timeout(CALL_SECONDS):
                response = await operation(
                    *args, _preload_content=False, _request_timeout=_UNBOUNDED, **kwargs
                )
                if response.status >= HTTPStatus.BAD_REQUEST:
                    async with response:
                        raise error_of(response.status, await response.read())
            async with response:
                async for chunk in response.content.iter_any():
                    yield chunk
        except (aiohttp.ClientError, OSError) as error:
            raise _unanswered(error) from None

    async def _once(
        self, operation: Operation, left: float, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Any:
        sent = self.clock.elapsed()
        try:
            async with asyncio.timeout(max(0.1, min(CALL_SECONDS, left))):
                response = await operation(*args, _preload_content=False, **kwargs)
                async with response:
                    body = await response.read()
        except (aiohttp.ClientError, OSError) as error:  # TimeoutError is an OSError
            raise _unanswered(error) from None
        if response.status >= HTTPStatus.BAD_REQUEST:
            # Perhaps not the API server's own, so its date is not looked at.
            raise error_of(response.status, body, _retry_after(response.headers))
        try:
            is_json = response.content_type == "application/json"
            decoded = json.loads(body) if is_json else body.decode()
        except ValueError:
            raise KubeUnavailable("what answers is not the Kubernetes API server") from None
        self.clock.observe(response.headers.get("Date", ""), sent, self.clock.elapsed())
        return decoded


def _unanswered(error: Exception) -> KubeUnavailable:
    reason = str(error) or "no answer in time"
    return KubeUnavailable(f"the Kubernetes API server does not answer: {reason}")


def _retry_after(headers: Any) -> float | None:
    """Return the seconds that the server asks for; it writes whole ones (RFC 9110, 10.2.3)."""
    value = headers.get("Retry-After", "")
    return float(value) if value.isdecimal() else None
