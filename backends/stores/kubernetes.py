"""A store in Kubernetes: one Secret for each document, in the namespace of its tool.

The API server handles concurrency: `resourceVersion` is the version, `immutable` seals. Every call
may be executed twice; if the first response was lost, the second one is interpreted accordingly.
"""

import asyncio
import logging
import os
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Self

from environs import Env, validate
from kubernetes_asyncio import client

from backends.kube.connection import PROBE, KubeConnection
from backends.kube.errors import (
    KubeAlreadyExists,
    KubeConflict,
    KubeForbidden,
    KubeNotFound,
    KubeUnavailable,
)
from backends.kube.responses import any_object
from backends.stores.base import (
    Corrupt,
    Document,
    DocumentState,
    JsonObject,
    Listing,
    NotFound,
    Sealed,
    Store,
    Unavailable,
)
from backends.stores.kubernetes_errors import store_errors
from backends.stores.kubernetes_lists import PAGE, Items, SecretLists
from backends.stores.secret_documents import (
    KIND,
    Namespaces,
    document_of,
    secret_name,
    secret_of,
    selector,
)

logger = logging.getLogger(__name__)

CLOCK_REQUESTS = 3
"""How many requests for the time `now` makes if the latest response contradicts the others."""

FIRST_CLOCK_REQUESTS = 10
"""The same while the time is unknown: enough to outvote one wrong API server of three."""

PING_NAMESPACE = "default"
"""The namespace that `ping` reads, unless the service is limited to some: every cluster has it."""

PING_NAME = "components-api-ping"
"""The name of the Secret that `ping` requests; it never exists."""

CLOCK_UNCERTAIN = "the time of the Kubernetes API servers is uncertain: they report different times"


class KubernetesStore(Store):
    """Documents as Secrets. `namespaces`, if given, are the only ones that can be listed."""

    def __init__(
        self,
        connection: KubeConnection,
        prefix: str = "tool-",
        namespaces: Sequence[str] = (),
        page: int = PAGE,
    ) -> None:
        self._kube = connection
        self._namespaces = Namespaces(prefix)
        self._ping_namespace = namespaces[0] if namespaces else PING_NAMESPACE
        self._lists = SecretLists(connection, namespaces, page)

    @classmethod
    def from_env(cls, env: Env) -> Self:
        """Return a store configured by the settings; nothing is read or called before `open`."""
        dns_label = validate.Regexp(r"[a-z0-9][a-z0-9-]*\Z", error="must begin a DNS label")
        return cls(
            # Without our prefix: it is the variable of kubectl.
            KubeConnection(os.environ.get("KUBECONFIG"), env.str("KUBE_CONTEXT", "") or None),
            env.str("NAMESPACE_PREFIX", "tool-", validate=dns_label),
            env.list("NAMESPACES", [], subcast=str),
        )

    async def open(self) -> None:
        """See `Store.open`. Raises `EnvError` if there is no usable Kubernetes configuration."""
        await self._kube.open()

    async def close(self) -> None:
        """See `Store.close`."""
        await self._kube.close()

    async def get(self, tool: str, kind: str, name: str) -> Document:
        """See `Store.get`. One call."""
        with store_errors(tool, kind, name):
            answer = await self._kube.call(
                self._api.read_namespaced_secret, secret_name(kind, name), self._namespaces.of(tool)
            )
        return document_of(tool, kind, answer.body)

    async def list(self, tool: str, *kinds: str) -> Listing:
        """See `Store.list`. One call for each page, for any number of kinds."""
        with store_errors(tool, " or ".join(kinds), "*"):
            items = await self._lists.pages(self._namespaces.of(tool), selector(*kinds))
        return await self._listing(items)

    async def list_open(self, kind: str) -> Listing:
        """See `Store.list_open`. One call, or one for each namespace if they are limited."""
        with store_errors("*", kind, "*"):
            items = await self._lists.cached(selector(kind, open_only=True))
        return await self._listing(items)

    async def create(
        self,
        tool: str,
        kind: str,
        name: str,
        data: JsonObject,
        state: DocumentState = DocumentState.PLAIN,
    ) -> Document:
        """See `Store.create`. One call; a second one if the first response was lost."""
        body = secret_of(kind, name, data, state)
        with store_errors(tool, kind, name, writing=True):
            try:
                answer = await self._kube.call(
                    self._api.create_namespaced_secret, self._namespaces.of(tool), body
                )
            except KubeAlreadyExists as error:
                if error.repeated and (
                    existing := await self._already_written(tool, kind, name, data, state)
                ):
                    return existing
                raise
            except KubeConflict as error:
                # A conflict on something else, such as a quota updated by others: it is transient.
                raise KubeUnavailable(str(error)) from None
        return self._written(tool, kind, answer.body)

    async def replace(self, read: Document, data: JsonObject, state: DocumentState) -> Document:
        """See `Store.replace`. One conditional call; another if its response was lost."""
        tool, kind, name = read.tool, read.kind, read.name
        if read.state is DocumentState.SEALED:
            raise Sealed(tool, kind, name)
        body = secret_of(kind, name, data, state, read.version)
        with store_errors(tool, kind, name, writing=True):
            try:
                answer = await self._kube.call(
                    self._api.replace_namespaced_secret,
                    secret_name(kind, name),
                    self._namespaces.of(tool),
                    body,
                )
            except KubeConflict as error:
                if error.repeated and (
                    existing := await self._already_written(tool, kind, name, data, state)
                ):
                    return existing
                raise
        return self._written(tool, kind, answer.body)

    async def delete(self, tool: str, kind: str, name: str, version: str | None = None) -> None:
        """See `Store.delete`. One call, with the version as its precondition."""
        options = {"preconditions": {"resourceVersion": version}} if version else {}
        with store_errors(tool, kind, name, writing=True):
            try:
                await self._kube.call(
                    self._api.delete_namespaced_secret,
                    secret_name(kind, name),
                    self._namespaces.of(tool),
                    parse=any_object,
                    body=options,
                )
            except KubeNotFound as error:
                # An earlier attempt or another client deleted it: it no longer exists, as
                # requested.
                if not (error.repeated and version):
                    raise

    async def now(self) -> datetime:
        """See `Store.now`: the API server's clock. Calls the server only while the time is
        uncertain."""
        clock = self._kube.clock
        for _ in range(CLOCK_REQUESTS if clock.known else FIRST_CLOCK_REQUESTS):
            if clock.settled:
                break
            with store_errors("*", "*", "*"):
                await self._kube.ready()
        if not clock.settled:
            logger.warning(CLOCK_UNCERTAIN)
            raise Unavailable(CLOCK_UNCERTAIN)
        return clock.now()

    def steady_for(self) -> timedelta:
        """See `Store.steady_for`."""
        return self._kube.clock.steady_for()

    async def ping(self) -> None:
        """See `Store.ping`. One call; another if the service may not read the namespace.

        Only etcd knows that an object does not exist; `/readyz` caches the state of etcd for a
        while.
        """
        with store_errors("*", "*", "*"):
            try:
                await self._kube.call(
                    self._api.read_namespaced_secret,
                    PING_NAME,
                    self._ping_namespace,
                    timeouts=PROBE,
                )
            except KubeNotFound:
                return
            except KubeForbidden:
                # The namespace, and with it the permission to read it, may have been deleted.
                await self._kube.ready()

    @property
    def _api(self) -> client.CoreV1Api:
        return client.CoreV1Api(self._kube.client)

    async def _already_written(
        self, tool: str, kind: str, name: str, data: JsonObject, state: DocumentState
    ) -> Document | None:
        """Return the stored document if it equals what a call without a response wrote."""
        try:
            stored = await self.get(tool, kind, name)
        except (NotFound, Corrupt):
            return None
        return stored if (stored.data, stored.state) == (data, state) else None

    def _written(self, tool: str, kind: str, secret: JsonObject) -> Document:
        document = document_of(tool, kind, secret)
        self._lists.note_written(document.version)
        return document

    async def _listing(self, items: Items) -> Listing:
        """Return the documents in Secrets; yields to the event loop after each one."""
        documents, corrupt = [], []
        for item in items:
            tool = self._namespaces.tool(item["metadata"]["namespace"])
            if tool is None:
                continue
            try:
                documents.append(document_of(tool, item["metadata"]["labels"][KIND], item))
            except Corrupt as error:
                corrupt.append(error)
            await asyncio.sleep(0)
        return Listing(tuple(documents), tuple(corrupt))
