"""The client of a connection; the configuration is reloaded when its credentials expire."""

import asyncio
import logging
from math import inf
from typing import Any

from environs import EnvError
from kubernetes_asyncio import client

from backends.clock import elapsed
from backends.kube.configuration import new_client

logger = logging.getLogger(__name__)

MIN_RENEWAL_SECONDS = 10.0
"""The minimum time between two reloads of the configuration."""


class Login:
    """A client, and how to log in again. Call `open` first, `close` last."""

    def __init__(
        self, kubeconfig: str | None, context: str | None, min_interval: float = MIN_RENEWAL_SECONDS
    ) -> None:
        self._kubeconfig, self._context, self._min_interval = kubeconfig, context, min_interval
        self._client: client.ApiClient | None = None
        self._retired: client.ApiClient | None = None
        self._renewal: asyncio.Task[None] | None = None
        self._renewed = -inf

    async def open(self) -> None:
        """Load the configuration. Raises `EnvError`. Does nothing if it is open."""
        if self._client is None:
            self._client = await new_client(self._kubeconfig, self._context)

    async def close(self) -> None:
        """Close all connections."""
        if self._renewal is not None:
            self._renewal.cancel()
            await asyncio.wait((self._renewal,))
        for each in (self._client, self._retired):
            if each is not None:
                await each.close()

    @property
    def client(self) -> client.ApiClient:
        """The client. It stays the same object; its credentials change."""
        if self._client is None:
            raise RuntimeError("the connection has not been opened")
        return self._client

    async def renew(self, used: Any, within: float) -> bool:
        """Return whether there is another configuration than `used`, which got a 401.

        Concurrent callers share one reload and wait for it, at most `within` seconds each.
        """
        if self.client.configuration is used:
            if self._renewal is None or self._renewal.done():
                if elapsed() - self._renewed < self._min_interval:
                    return False
                self._renewed = elapsed()
                self._renewal = asyncio.create_task(self._reload(), name="kube login")
            await asyncio.wait((self._renewal,), timeout=within)
        return self.client.configuration is not used

    async def _reload(self) -> None:
        try:
            new = await new_client(self._kubeconfig, self._context)
        except EnvError as error:
            logger.error("logging in again to the Kubernetes API failed: %s", error)  # noqa: TRY400
            return
        logger.info("logged in again to the Kubernetes API after a 401")
        current, gone = self.client, self._retired
        # The library's APIs keep the client, so replace its contents. Calls in flight use the old
        # connections, which stay open until the next renewal.
        current.configuration, new.configuration = new.configuration, current.configuration
        current.rest_client, new.rest_client = new.rest_client, current.rest_client
        self._retired = new
        if gone is not None:
            await gone.close()
