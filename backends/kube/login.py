"""The client of a connection, whose configuration is read again once its credentials have ended."""

import asyncio
import logging
from math import inf
from typing import Any

from environs import EnvError
from kubernetes_asyncio import client

from backends.clock import elapsed
from backends.kube.configuration import new_client

logger = logging.getLogger(__name__)

AGAIN_SECONDS = 10.0
"""How long after the configuration was read again it is not read another time."""


class Login:
    """A client, and what it takes to log in anew. `open` comes first, `close` last."""

    def __init__(
        self, kubeconfig: str | None, context: str | None, again: float = AGAIN_SECONDS
    ) -> None:
        self._kubeconfig, self._context, self._again = kubeconfig, context, again
        self._client: client.ApiClient | None = None
        self._retired: client.ApiClient | None = None
        self._renewal: asyncio.Task[None] | None = None
        self._renewed = -inf

    async def open(self) -> None:
        """Read the configuration. Raises `EnvError`. Nothing happens if it is open."""
        if self._client is None:
            self._client = await new_client(self._kubeconfig, self._context)

    async def close(self) -> None:
        """Let go of all connections."""
        if self._renewal is not None:
            self._renewal.cancel()
            await asyncio.wait((self._renewal,))
        for each in (self._client, self._retired):
            if each is not None:
                await each.close()

    @property
    def client(self) -> client.ApiClient:
        """The client. It stays the same object; what it logs in with does not."""
        if self._client is None:
            raise RuntimeError("the connection has not been opened")
        return self._client

    async def renew(self, used: Any, within: float) -> bool:
        """Return whether there is another configuration than `used`, with which nobody was let in.

        All who ask at that time wait for the same one to be read, at most `within` seconds each.
        """
        if self.client.configuration is used:
            if self._renewal is None or self._renewal.done():
                if elapsed() - self._renewed < self._again:
                    return False
                self._renewed = elapsed()
                self._renewal = asyncio.create_task(self._read_again(), name="kube login")
            await asyncio.wait((self._renewal,), timeout=within)
        return self.client.configuration is not used

    async def _read_again(self) -> None:
        try:
            new = await new_client(self._kubeconfig, self._context)
        except EnvError as error:
            logger.error("logging in anew to the Kubernetes API failed: %s", error)  # noqa: TRY400
            return
        logger.info("logged in anew to the Kubernetes API, which had answered 401")
        current, gone = self.client, self._retired
        # The APIs that calls are made with keep the client, so what is in it is exchanged. What is
        # under way goes on with the connections from before until these are exchanged as well.
        current.configuration, new.configuration = new.configuration, current.configuration
        current.rest_client, new.rest_client = new.rest_client, current.rest_client
        self._retired = new
        if gone is not None:
            await gone.close()
