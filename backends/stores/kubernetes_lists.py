"""Lists of Secrets: of one namespace in pages, and of all from the API server's cache."""

import asyncio
import logging
from collections.abc import Sequence
from math import inf
from typing import Any, TypeGuard

from kubernetes_asyncio import client

from backends.clock import elapsed
from backends.kube.connection import LONG_LIST, CallTimeouts, KubeConnection, Operation
from backends.kube.errors import (
    KubeExpired,
    KubeForbidden,
    KubeNotFound,
    KubeUnauthorized,
    KubeUnavailable,
)
from backends.kube.responses import object_list
from backends.stores.base import JsonObject

logger = logging.getLogger(__name__)

Items = list[JsonObject]

PAGE = 500
"""The page size: all deployments of a tool fit into one page."""

LOG_INTERVAL_SECONDS = 60.0
"""The minimum time between two log lines about one namespace that cannot be listed."""


class SecretLists:
    """Lists of Secrets by label. `namespaces`, if given, limits `cached` to them."""

    def __init__(
        self, connection: KubeConnection, namespaces: Sequence[str] = (), page: int = PAGE
    ) -> None:
        self._kube = connection
        self._namespaces = tuple(namespaces)
        self._page = page
        self._min_version = 0
        self._logged_at: dict[str, float] = {}

    def note_written(self, version: str) -> None:
        """Note a stored version: lists from the cache must not be older."""
        if version.isdecimal():
            self._min_version = max(self._min_version, int(version))

    async def pages(self, namespace: str, labels: str) -> Items:
        """Return those of one namespace as a consistent snapshot. One call for each page."""
        items: Items = []
        page_options: dict[str, Any] = {"limit": self._page}
        while True:
            try:
                answer = await self._kube.call(
                    self._api.list_namespaced_secret,
                    namespace,
                    parse=object_list,
                    label_selector=labels,
                    **page_options,
                )
            except KubeExpired:
                if not page_options:
                    raise KubeUnavailable("a list without a token has expired") from None
                # Restart without pages, so that it cannot expire again.
                items, page_options = [], {}
                continue
            items += answer.body["items"]
            token = answer.body["metadata"].get("continue")
            if not token:
                return items
            page_options = {"limit": self._page, "_continue": token}

    async def cached(self, labels: str) -> Items:
        """Return those of all namespaces. One call, or one for each namespace if they are limited.

        The response is from the API server's cache, which is much faster than etcd, and at least as
        new as the last write of this instance. A namespace that does not exist or may not be listed
        is logged and skipped, unless that applies to all.
        """
        if not self._namespaces:
            return await self._cached_list(None, labels)
        found = await asyncio.gather(
            *(self._cached_list(each, labels) for each in self._namespaces), return_exceptions=True
        )
        items: Items = []
        failed: list[KubeForbidden | KubeNotFound] = []
        for namespace, each in zip(self._namespaces, found, strict=True):
            if isinstance(each, list):
                items += each
            elif _is_namespace_error(each):
                failed.append(each)
                self._log_unlistable(namespace, each)
            else:
                raise each
        if len(failed) == len(found):
            raise KubeUnavailable(f"no namespace can be listed: {failed[0]}")
        return items

    async def _cached_list(self, namespace: str | None, labels: str) -> Items:
        every = namespace is None
        list_: Operation = (
            self._api.list_secret_for_all_namespaces if every else self._api.list_namespaced_secret
        )
        where = () if namespace is None else (namespace,)
        options = {
            "label_selector": labels,
            "resource_version": str(self._min_version),
            "resource_version_match": "NotOlderThan",
        }
        until = elapsed() + LONG_LIST.total
        try:
            answer = await self._kube.call(
                list_, *where, parse=object_list, timeouts=LONG_LIST, **options
            )
        except KubeExpired:
            # The cache lags behind, or etcd was restored to an older state: read consistently.
            self._min_version = 0
            left = CallTimeouts(until - elapsed(), until - elapsed())
            answer = await self._kube.call(
                list_, *where, parse=object_list, timeouts=left, label_selector=labels
            )
        items: Items = answer.body["items"]
        return items

    def _log_unlistable(self, namespace: str, error: Exception) -> None:
        if elapsed() - self._logged_at.get(namespace, -inf) >= LOG_INTERVAL_SECONDS:
            self._logged_at[namespace] = elapsed()
            logger.error(
                "deployments in namespace %s stand still: its Secrets cannot be listed: %s",
                namespace,
                error,
            )

    @property
    def _api(self) -> client.CoreV1Api:
        return client.CoreV1Api(self._kube.client)


def _is_namespace_error(error: BaseException) -> TypeGuard[KubeForbidden | KubeNotFound]:
    """Whether an error is about one namespace, not about this client or the API server."""
    return isinstance(error, KubeForbidden | KubeNotFound) and not isinstance(
        error, KubeUnauthorized
    )
