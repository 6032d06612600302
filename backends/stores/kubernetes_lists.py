"""Lists of Secrets: of one namespace page by page, and of all from the API server's cache."""

import asyncio
import logging
from collections.abc import Sequence
from math import inf
from typing import Any, TypeGuard

from kubernetes_asyncio import client

from backends.clock import elapsed
from backends.kube.answers import a_list
from backends.kube.connection import LONG_LIST, KubeConnection, Operation, Patience
from backends.kube.errors import (
    KubeExpired,
    KubeForbidden,
    KubeNotFound,
    KubeUnauthorized,
    KubeUnavailable,
)
from backends.stores.base import JsonObject

logger = logging.getLogger(__name__)

Items = list[JsonObject]

PAGE = 500
"""How many Secrets one page of a list has: all deployments of a tool fit."""

TOLD_SECONDS = 60.0
"""How often it is told, at most, that a namespace cannot be listed."""


class SecretLists:
    """Lists of Secrets by their labels. `namespaces`, if given, are the only ones of `cached`."""

    def __init__(
        self, connection: KubeConnection, namespaces: Sequence[str] = (), page: int = PAGE
    ) -> None:
        self._kube = connection
        self._namespaces = tuple(namespaces)
        self._page = page
        self._seen = 0
        self._told: dict[str, float] = {}

    def has_written(self, version: str) -> None:
        """Take note of a version that is stored: no list from the cache is to be older."""
        if version.isdecimal():
            self._seen = max(self._seen, int(version))

    async def pages(self, namespace: str, labels: str) -> Items:
        """Return those of one namespace, as they were at one moment. One call for each page."""
        items: Items = []
        following: dict[str, Any] = {"limit": self._page}
        while True:
            try:
                answer = await self._kube.call(
                    self._api.list_namespaced_secret,
                    namespace,
                    reading=a_list,
                    label_selector=labels,
                    **following,
                )
            except KubeExpired:
                if not following:
                    raise KubeUnavailable("a list without a token has expired") from None
                # Begun anew and in one piece, so that it cannot expire again.
                items, following = [], {}
                continue
            items += answer.body["items"]
            token = answer.body["metadata"].get("continue")
            if not token:
                return items
            following = {"limit": self._page, "_continue": token}

    async def cached(self, labels: str) -> Items:
        """Return those of all namespaces. One call, or one for each namespace that may be listed.

        It is answered from the API server's cache, which is much faster than a read from etcd and
        is at least as new as what this instance has written. A namespace that is not there any
        more, or that this client may not list, is told and passed over, unless all are so.
        """
        if not self._namespaces:
            return await self._of(None, labels)
        found = await asyncio.gather(
            *(self._of(each, labels) for each in self._namespaces), return_exceptions=True
        )
        items: Items = []
        refused: list[KubeForbidden | KubeNotFound] = []
        for namespace, each in zip(self._namespaces, found, strict=True):
            if isinstance(each, list):
                items += each
            elif _is_of_namespace(each):
                refused.append(each)
                self._tell(namespace, each)
            else:
                raise each
        if len(refused) == len(found):
            raise KubeUnavailable(f"no namespace can be listed: {refused[0]}")
        return items

    async def _of(self, namespace: str | None, labels: str) -> Items:
        every = namespace is None
        list_: Operation = (
            self._api.list_secret_for_all_namespaces if every else self._api.list_namespaced_secret
        )
        where = () if namespace is None else (namespace,)
        options = {
            "label_selector": labels,
            "resource_version": str(self._seen),
            "resource_version_match": "NotOlderThan",
        }
        until = elapsed() + LONG_LIST.total
        try:
            answer = await self._kube.call(
                list_, *where, reading=a_list, patience=LONG_LIST, **options
            )
        except KubeExpired:
            # A cache that lags behind, or an etcd that was restored to an older state: only a
            # consistent read tells.
            self._seen = 0
            left = Patience(until - elapsed(), until - elapsed())
            answer = await self._kube.call(
                list_, *where, reading=a_list, patience=left, label_selector=labels
            )
        items: Items = answer.body["items"]
        return items

    def _tell(self, namespace: str, error: Exception) -> None:
        if elapsed() - self._told.get(namespace, -inf) >= TOLD_SECONDS:
            self._told[namespace] = elapsed()
            logger.error(
                "nothing moves in namespace %s, whose Secrets cannot be listed: %s",
                namespace,
                error,
            )

    @property
    def _api(self) -> client.CoreV1Api:
        return client.CoreV1Api(self._kube.client)


def _is_of_namespace(error: BaseException) -> TypeGuard[KubeForbidden | KubeNotFound]:
    """Whether it is about one namespace, and not about this client or the API server."""
    return isinstance(error, KubeForbidden | KubeNotFound) and not isinstance(
        error, KubeUnauthorized
    )
