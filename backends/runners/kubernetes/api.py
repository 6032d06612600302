"""What is sent to the API server: objects of any kind, listed, read, made, applied and deleted."""

from typing import Any

from backends.kube.connection import CALL, PROBE, CallTimeouts, KubeConnection
from backends.kube.errors import KubeNotFound
from backends.kube.responses import any_object, object_list, stored_object
from backends.runners.kubernetes.kinds import MANAGER, Json, Kind

PAGE = 500

_APPLY = "application/apply-patch+yaml"
_MERGE = "application/merge-patch+json"
_JSON_PATCH = "application/json-patch+json"


class Objects:
    """The objects of one namespace. Everything raises `KubeError`."""

    def __init__(self, connection: KubeConnection, namespace: str) -> None:
        self._kube = connection
        self.namespace = namespace

    async def listed(self, kind: Kind, labels: str) -> list[Json]:
        """Return all objects of a kind with these labels. One call for each page."""
        query: list[tuple[str, Any]] = [("labelSelector", labels), ("limit", PAGE)]
        items: list[Json] = []
        following: list[tuple[str, Any]] = []
        while True:
            path = kind.path(self.namespace)
            found = await self._call(path, "GET", query + following, parse=object_list)
            items += found["items"]
            token = found["metadata"].get("continue")
            if not token:
                return items
            following = [("continue", token)]

    async def read(self, kind: Kind, name: str) -> Json | None:
        """Return one object; None where there is none."""
        try:
            found: Json = await self._call(kind.path(self.namespace, name), "GET")
        except KubeNotFound:
            return None
        return found

    async def create(self, kind: Kind, body: Json) -> Json:
        """Make an object that is not there. Raises `KubeAlreadyExists`."""
        query = [("fieldManager", MANAGER)]
        made: Json = await self._call(kind.path(self.namespace), "POST", query, body)
        return made

    async def apply(self, kind: Kind, body: Json, manager: str = MANAGER) -> Json:
        """Apply an object of the version that `body` has. Raises `KubeConflict` for another."""
        query = [("fieldManager", manager), ("force", "true")]
        path = kind.path(self.namespace, body["metadata"]["name"])
        made: Json = await self._call(path, "PATCH", query, body, _APPLY)
        return made

    async def patch(self, kind: Kind, name: str, change: Json | list[Json]) -> Json:
        """Change an object by a list, which is a JSON Patch (RFC 6902), or by a merge patch."""
        content_type = _JSON_PATCH if isinstance(change, list) else _MERGE
        path = kind.path(self.namespace, name)
        query = [("fieldManager", MANAGER)]
        made: Json = await self._call(path, "PATCH", query, change, content_type)
        return made

    async def delete(self, kind: Kind, found: Json) -> None:
        """Delete an object, if it still is of this version, and what it owns."""
        metadata = found["metadata"]
        preconditions = {"uid": metadata["uid"], "resourceVersion": metadata["resourceVersion"]}
        options = {"propagationPolicy": "Background", "preconditions": preconditions}
        path = kind.path(self.namespace, metadata["name"])
        await self._call(path, "DELETE", body=options, parse=any_object)

    async def log_tail(
        self, pod: str, container: str, lines: int, size: int, *, previous: bool
    ) -> str:
        """Return the last lines of a container's log, in at most `size` bytes."""
        query = [("container", container), ("tailLines", lines), ("limitBytes", size)]
        if previous:
            query.append(("previous", "true"))
        text: str = await self._call(
            f"/api/v1/namespaces/{self.namespace}/pods/{pod}/log",
            "GET",
            query,
            parse=lambda body: body.decode("utf-8", "replace"),
            timeouts=PROBE,
        )
        return text

    async def _call(
        self,
        path: str,
        method: str,
        query: list[tuple[str, Any]] | None = None,
        body: Any = None,
        content_type: str = "application/json",
        *,
        parse: Any = stored_object,
        timeouts: CallTimeouts = CALL,
    ) -> Any:
        answer = await self._kube.call(
            self._kube.client.call_api,
            path,
            method,
            query_params=query or [],
            header_params={"Content-Type": content_type, "Accept": "*/*"},
            body=body,
            auth_settings=["BearerToken"],
            parse=parse,
            timeouts=timeouts,
        )
        return answer.body
