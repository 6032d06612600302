"""Members in Kubernetes: a Lease for each instance, in the service's own namespace.

Who is live is judged as Kubernetes' own leader election does it (client-go, tools/leaderelection):
by whether a Lease was seen to change within some time of one's own clock. What times others write
is not looked at, so a clock that is wrong makes no difference.

Only time between two looks that went well makes a Lease older. While the Leases cannot be read or
written, the others may well be live and have the same trouble, so those who were last seen live
stay so; but not for ever, since one of them may have died.
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

from backends.kube.answers import a_list, anything
from backends.kube.connection import KubeConnection
from backends.kube.errors import KubeAlreadyExists, KubeConflict, KubeError, KubeNotFound
from backends.members.base import Members
from backends.supervision import supervised

logger = logging.getLogger(__name__)

RENEW_SECONDS = 2.0
LIVE_SECONDS = 10.0
"""How long an instance is live after its Lease was last seen to change."""

BLIND_SECONDS = 300.0
"""How long those last seen live are believed to be, where no look at the Leases goes well."""

FORGET_SECONDS = 60.0
"""After how long the Lease of one that is dead is removed, by whoever notices."""

ROUND_SECONDS = 60.0
"""More than the calls of a round can take together."""

LEAVE_SECONDS = 3.0
LABELS = {
    "app.kubernetes.io/managed-by": "components-api",
    "components-api/kind": "member",
}
_SELECTOR = ",".join(f"{name}={value}" for name, value in LABELS.items())
_NAMESPACE_FILE = Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace")
_random = SystemRandom()


@dataclass(frozen=True, slots=True)
class Seen:
    """A version of a Lease, and for how many seconds of looking it has been the same."""

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
        forget: float = FORGET_SECONDS,
        blind: float = BLIND_SECONDS,
    ) -> None:
        super().__init__(own)
        self._kube = connection
        self._namespace = namespace
        self._renew, self._live, self._forget, self._blind = renew, live, forget, blind
        self._seen: dict[str, Seen] = {}
        self._seen_at = 0.0
        self._sees = False
        self._looked = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    @classmethod
    def from_env(cls, env: Env) -> Self:
        """Return members as `MEMBERS_NAMESPACE` says; without it, in this pod's own namespace."""
        return cls(
            KubeConnection(os.environ.get("KUBECONFIG"), env.str("KUBE_CONTEXT", "") or None),
            env.str("MEMBERS_NAMESPACE", ""),
        )

    async def open(self) -> None:
        """See `Members.open`. Without an API server, it goes on alone and tries again."""
        if not self._namespace:
            try:
                text = await asyncio.to_thread(_NAMESPACE_FILE.read_text, encoding="utf-8")
                self._namespace = text.strip()
            except OSError:
                raise EnvError(
                    "COMPONENTS_MEMBERS_NAMESPACE: it is needed outside of a pod, to know where "
                    "the Leases of instances are"
                ) from None
        await self._kube.open()
        await self._round()
        self._task = asyncio.create_task(
            supervised(
                "renewing the Lease of this instance", self._round, self._pause, ROUND_SECONDS
            ),
            name="members",
        )

    def live(self) -> frozenset[str]:
        """See `Members.live`."""
        if asyncio.get_running_loop().time() - self._seen_at >= self._blind:
            return frozenset({self.own})
        alive = {name for name, seen in self._seen.items() if seen.unchanged < self._live}
        return frozenset(alive | {self.own})

    async def looked(self) -> None:
        """Return once the Leases were looked at another time."""
        await self._looked.wait()

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
                logger.warning("the Lease of this instance could not be removed: %s", error)
        await self._kube.close()

    def _pause(self) -> float:
        return self._renew * _random.uniform(0.8, 1.0)

    async def _round(self) -> None:
        """Renew the own Lease and look at all; where that cannot be done, say so and go on."""
        saw, self._sees = self._sees, False
        try:
            await self._renew_own()
            await self._look(saw)
            self._sees = True
            await self._forget_dead()
        except KubeError as error:
            logger.warning("the Leases of instances cannot be read or written: %s", error)
        finally:
            self._looked.set()
            self._looked = asyncio.Event()

    async def _renew_own(self) -> None:
        lease = {
            "metadata": {"name": self.own, "labels": LABELS},
            "spec": {
                "holderIdentity": self.own,
                "leaseDurationSeconds": max(1, round(self._live)),
                # For people who look; nobody here compares it.
                "renewTime": f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%S.%fZ}",
            },
        }
        try:
            # A patch, so without a version: the Lease is this process's alone, and a PUT needs one.
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

    async def _look(self, saw: bool) -> None:
        """Look at all Leases; `saw` is whether the look before this one went well."""
        answer = await self._kube.call(
            self._api.list_namespaced_lease,
            self._namespace,
            reading=a_list,
            label_selector=_SELECTOR,
        )
        now = asyncio.get_running_loop().time()
        # No more than half at once: whoever is stopped for long must look twice.
        passed = min(now - self._seen_at, self._live / 2) if saw else 0.0
        before, self._seen, self._seen_at = self._seen, {}, now
        for item in answer.body["items"]:
            name, version = item["metadata"]["name"], item["metadata"]["resourceVersion"]
            known = before.get(name, Seen(""))
            is_same = known.version == version
            self._seen[name] = Seen(version, known.unchanged + passed if is_same else 0.0)

    async def _forget_dead(self) -> None:
        for name, seen in self._seen.items():
            if name != self.own and seen.unchanged >= self._forget:
                await self._delete(name, seen.version)

    async def _delete(self, name: str, version: str | None = None) -> None:
        """Remove a Lease; with a version, only if it has not changed since."""
        body: dict[str, Any] = {"preconditions": {"resourceVersion": version}} if version else {}
        with contextlib.suppress(KubeNotFound, KubeConflict):
            await self._kube.call(
                self._api.delete_namespaced_lease,
                name,
                self._namespace,
                reading=anything,
                body=body,
            )

    @property
    def _api(self) -> client.CoordinationV1Api:
        return client.CoordinationV1Api(self._kube.client)
