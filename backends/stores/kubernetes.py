"""A store in Kubernetes: one Secret for each document, in the namespace of its tool.

Concurrency is the API server's: `resourceVersion` is the version, `immutable` seals. Every call
may be carried out twice; where the first one's answer was lost, the second's is made sense of.
"""

import asyncio
import logging
import os
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Self

from environs import Env, validate
from kubernetes_asyncio import client

from backends.kube.answers import anything
from backends.kube.connection import QUESTION, KubeConnection
from backends.kube.errors import (
    KubeAlreadyExists,
    KubeConflict,
    KubeForbidden,
    KubeNotFound,
    KubeUnavailable,
)
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

QUESTIONS = 3
"""How often the API server is asked for the time where the latest answer contradicts the others."""

FIRST_QUESTIONS = 10
"""How often where nothing is known: enough to outvote one API server of three."""

NOWHERE = "default"
"""The namespace in which `ping` looks, where the service may read all: every cluster has it."""

NOTHING = "components-api-ping"
"""The name of the Secret that it looks for, which nobody makes."""

NO_TIME = "the Kubernetes API server does not say for certain what time it is"


class KubernetesStore(Store):
    """Documents as Secrets. `namespaces`, if given, are the only ones that it may list."""

    def __init__(
        self,
        connection: KubeConnection,
        prefix: str = "tool-",
        namespaces: Sequence[str] = (),
        page: int = PAGE,
    ) -> None:
        self._kube = connection
        self._namespaces = Namespaces(prefix)
        self._nowhere = namespaces[0] if namespaces else NOWHERE
        self._lists = SecretLists(connection, namespaces, page)

    @classmethod
    def from_env(cls, env: Env) -> Self:
        """Return a store as the settings say; nothing is read or asked before `open`."""
        dns_label = validate.Regexp(r"[a-z0-9][a-z0-9-]*\Z", error="must begin a DNS label")
        return cls(
            # Without our prefix: it is kubectl's own.
            KubeConnection(os.environ.get("KUBECONFIG"), env.str("KUBE_CONTEXT", "") or None),
            env.str("NAMESPACE_PREFIX", "tool-", validate=dns_label),
            env.list("NAMESPACES", [], subcast=str),
        )

    async def open(self) -> None:
        """See `Store.open`. Raises `EnvError` where no Kubernetes configuration can be used."""
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
        """See `Store.list`. One call for each page, whatever the number of kinds."""
        with store_errors(tool, " or ".join(kinds), "*"):
            items = await self._lists.pages(self._namespaces.of(tool), selector(*kinds))
        return await self._listing(items)

    async def list_open(self, kind: str) -> Listing:
        """See `Store.list_open`. One call, or one for each namespace that may be listed."""
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
        """See `Store.create`. One call; a second one where the first one's answer was lost."""
        body = secret_of(kind, name, data, state)
        with store_errors(tool, kind, name, writing=True):
            try:
                answer = await self._kube.call(
                    self._api.create_namespaced_secret, self._namespaces.of(tool), body
                )
            except KubeAlreadyExists as error:
                if error.repeated and (ours := await self._same(tool, kind, name, data, state)):
                    return ours
                raise
            except KubeConflict as error:
                # Of something else, such as a quota that others are using up: it may pass.
                raise KubeUnavailable(str(error)) from None
        return self._written(tool, kind, answer.body)

    async def replace(self, read: Document, data: JsonObject, state: DocumentState) -> Document:
        """See `Store.replace`. One conditional call; another where its answer was lost."""
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
                if error.repeated and (ours := await self._same(tool, kind, name, data, state)):
                    return ours
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
                    reading=anything,
                    body=options,
                )
            except KubeNotFound as error:
                # The earlier attempt removed it, or somebody else did: it is gone, as was asked.
                if not (error.repeated and version):
                    raise

    async def now(self) -> datetime:
        """See `Store.now`: the API server's clock. A call only where there is a doubt about it."""
        clock = self._kube.clock
        for _ in range(QUESTIONS if clock.known else FIRST_QUESTIONS):
            if clock.settled:
                break
            with store_errors("*", "*", "*"):
                await self._kube.ready()
        if not clock.settled:
            logger.warning(NO_TIME)
            raise Unavailable(NO_TIME)
        return clock.now()

    def steady_for(self) -> timedelta:
        """See `Store.steady_for`."""
        return self._kube.clock.steady_for()

    async def ping(self) -> None:
        """See `Store.ping`. One call; another where the first one's namespace may not be read.

        What is not there, only etcd can tell: `/readyz` repeats for a while what etcd said before.
        """
        with store_errors("*", "*", "*"):
            try:
                await self._kube.call(
                    self._api.read_namespaced_secret, NOTHING, self._nowhere, patience=QUESTION
                )
            except KubeNotFound:
                return
            except KubeForbidden:
                # One namespace of several may have gone, with the right to read it.
                await self._kube.ready()

    @property
    def _api(self) -> client.CoreV1Api:
        return client.CoreV1Api(self._kube.client)

    async def _same(
        self, tool: str, kind: str, name: str, data: JsonObject, state: DocumentState
    ) -> Document | None:
        """Return what is stored if it is what a lost call has written; None otherwise."""
        try:
            stored = await self.get(tool, kind, name)
        except (NotFound, Corrupt):
            return None
        return stored if (stored.data, stored.state) == (data, state) else None

    def _written(self, tool: str, kind: str, secret: JsonObject) -> Document:
        document = document_of(tool, kind, secret)
        self._lists.has_written(document.version)
        return document

    async def _listing(self, items: Items) -> Listing:
        """Return the documents in Secrets; others are served while each is read."""
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
