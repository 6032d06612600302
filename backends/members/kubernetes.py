"""Members in Kubernetes: a Lease for each instance, in the service's own namespace.

Liveness is judged as in Kubernetes' own leader election (client-go, tools/leaderelection): by
whether a Lease has changed within some time of this instance's clock. The times in Leases are
ignored, so wrong clocks make no difference.

A Lease ages only between two successful lists. While the Leases cannot be read or written, the
others may be live and have the same problem. So the members last seen live stay live, but not
forever, since one of them may have died.
"""

import asyncio
import contextlib
import logging
import os
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from random import SystemRandom
from typing import Any, Self

from environs import Env, EnvError
from kubernetes_asyncio import client

from backends.kube.connection import KubeConnection
from backends.kube.errors import KubeAlreadyExists, KubeConflict, KubeError, KubeNotFound
from backends.kube.responses import any_object, object_list
from backends.members.base import Members
from backends.supervision import supervised

logger = logging.getLogger(__name__)

RENEW_SECONDS = 2.0
LIVE_SECONDS = 10.0
"""How long an instance is live after its Lease last changed."""

STALE_SECONDS = 300.0
"""How long the last known members are considered live without a successful list."""

REMOVE_DEAD_SECONDS = 60.0
"""After how long the Lease of a dead instance is deleted, by any live one."""

ROUND_TIMEOUT_SECONDS = 60.0
"""More than the calls of one round can take together."""

LEAVE_SECONDS = 3.0
LABELS = {
    "app.kubernetes.io/managed-by": "components-api",
    "components-api/kind": "member",
}
_SELECTOR = ",".join(f"{name}={value}" for name, value in LABELS.items())
_NAMESPACE_FILE = Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace")
_random = SystemRandom()


@dataclass(frozen=True, slots=True)
class ObservedLease:
    """A version of a Lease, and for how many seconds of observation it has been unchanged."""

    version: str
    unchanged: float = 0.0


class KubernetesMembers(Members):
    """The instances whose Leases in `namespace` change."""

    def __init__(
        self,
        connection: KubeConnection,
        namespace: str,
        own: str | None = None,
        renew: float = RENEW_SECONDS,
        live: float = LIVE_SECONDS,
        remove_after: float = REMOVE_DEAD_SECONDS,
        stale_after: float = STALE_SECONDS,
    ) -> None:
        super().__init__(own)
        self._kube = connection
        self._namespace = namespace
        self._renew, self._live, self._remove_after, self._stale = (
            renew,
            live,
            remove_after,
            stale_after,
        )
        self._leases: dict[str, ObservedLease] = {}
        self._listed_at = 0.0
        self._last_round_ok = False
        self._refreshed = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    @classmethod
    def from_env(cls, env: Env) -> Self:
        """Return members configured by `MEMBERS_NAMESPACE`; without it, in this pod's namespace."""
        return cls(
            KubeConnection(os.environ.get("KUBECONFIG"), env.str("KUBE_CONTEXT", "") or None),
            env.str("MEMBERS_NAMESPACE", ""),
        )

    async def open(self) -> None:
        """See `Members.open`. Without an API server, it continues alone and retries."""
        if not self._namespace:
            try:
                text = await asyncio.to_thread(_NAMESPACE_FILE.read_text, encoding="utf-8")
                self._namespace = text.strip()
            except OSError:
                raise EnvError(
                    "COMPONENTS_MEMBERS_NAMESPACE is required outside of a pod: the namespace of "
                    "the instances' Leases"
                ) from None
        await self._kube.open()
        await self._round()
        self._task = asyncio.create_task(
            supervised(
                "renewing the Lease of this instance",
                self._round,
                self._pause,
                ROUND_TIMEOUT_SECONDS,
            ),
            name="members",
        )

    def live(self) -> frozenset[str]:
        """See `Members.live`."""
        if asyncio.get_running_loop().time() - self._listed_at >= self._stale:
            return frozenset({self.own})
        alive = {name for name, seen in self._leases.items() if seen.unchanged < self._live}
        return frozenset(alive | {self.own})

    async def refreshed(self) -> None:
        """Return after the next attempt to list the Leases."""
        await self._refreshed.wait()

    async def close(self) -> None:
        """See `Members.close`."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait((self._task,))
            self._task = None
            try:
                async with asyncio.timeout(LEAVE_SECONDS):
                    await self._delete(self.own)
            except (KubeError, TimeoutError) as error:
                logger.warning("the Lease of this instance could not be deleted: %s", error)
        await self._kube.close()

    def _pause(self) -> float:
        return self._renew * _random.uniform(0.8, 1.0)

    async def _round(self) -> None:
        """Renew this instance's Lease and list all; log a failure and continue."""
        last_ok, self._last_round_ok = self._last_round_ok, False
        try:
            await self._renew_own()
            await self._list_leases(last_ok)
            self._last_round_ok = True
            await self._remove_dead()
        except KubeError as error:
            logger.warning("the Leases of instances cannot be read or written: %s", error)
        finally:
            self._refreshed.set()
            self._refreshed = asyncio.Event()

    async def _renew_own(self) -> None:
        lease = {
            "metadata": {"name": self.own, "labels": LABELS},
            "spec": {
                "holderIdentity": self.own,
                "leaseDurationSeconds": max(1, round(self._live)),
                # Only for people; the service does not compare it.
                "renewTime": f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%S.%fZ}",
            },
        }
        try:
            # A patch needs no version, a PUT does; and only this process writes this Lease.
            await self._kube.call(
                self._api.patch_namespaced_lease,
                self.own,
                self._namespace,
                lease,
                _content_type="application/merge-patch+json",
            )
        except KubeNotFound:
            with contextlib.suppress(KubeAlreadyExists):
                await self._kube.call(self._api.create_namespaced_lease, self._namespace, lease)

    async def _list_leases(self, last_ok: bool) -> None:
        """List all Leases; `last_ok` says whether the previous list succeeded."""
        answer = await self._kube.call(
            self._api.list_namespaced_lease,
            self._namespace,
            parse=object_list,
            label_selector=_SELECTOR,
        )
        now = asyncio.get_running_loop().time()
        # At most half at once: a Lease must be observed twice, even by an instance that was paused.
        passed = min(now - self._listed_at, self._live / 2) if last_ok else 0.0
        before, self._leases, self._listed_at = self._leases, {}, now
        for item in answer.body["items"]:
            name, version = item["metadata"]["name"], item["metadata"]["resourceVersion"]
            known = before.get(name, ObservedLease(""))
            is_same = known.version == version
            self._leases[name] = ObservedLease(
                version, known.unchanged + passed if is_same else 0.0
            )

    async def _remove_dead(self) -> None:
        for name, seen in self._leases.items():
            if name != self.own and seen.unchanged >= self._remove_after:
                await self._delete(name, seen.version)

    async def _delete(self, name: str, version: str | None = None) -> None:
        """Delete a Lease; with a version, only if it has not changed since."""
        body: dict[str, Any] = {"preconditions": {"resourceVersion": version}} if version else {}
        with contextlib.suppress(KubeNotFound, KubeConflict):
            await self._kube.call(
                self._api.delete_namespaced_lease,
                name,
                self._namespace,
                parse=any_object,
                body=body,
            )

    @property
    def _api(self) -> client.CoordinationV1Api:
        return client.CoordinationV1Api(self._kube.client)
