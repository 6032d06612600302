"""A fake API server that responds as a test says."""

import asyncio
import base64
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

import trustme
from aiohttp import web

SECRET: dict[str, Any] = {
    "apiVersion": "v1",
    "kind": "Secret",
    "metadata": {"name": "one", "namespace": "tool-a", "resourceVersion": "7"},
}
EMPTY: dict[str, Any] = {
    "apiVersion": "v1",
    "kind": "SecretList",
    "metadata": {"resourceVersion": "7"},
    "items": [],
}
Handler: TypeAlias = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass
class FakeApiServer:
    """Accepts `tokens`; gives the `answers` in turn, then the usual responses."""

    tokens: set[str] = field(default_factory=lambda: {"good"})
    answers: list[Any] = field(default_factory=list)
    seen: list[str] = field(default_factory=list)

    async def handle(self, request: web.Request) -> web.StreamResponse:
        self.seen.append(request.headers.get("Authorization", "").removeprefix("Bearer "))
        if self.seen[-1] not in self.tokens:
            return status(401, message="Unauthorized")
        if self.answers:
            answer = self.answers.pop(0)
            return answer if isinstance(answer, web.StreamResponse) else await answer(request)
        if request.path == "/readyz":
            return web.Response(text="ok")
        return web.json_response(SECRET if request.path.endswith("/one") else EMPTY)


def status(code: int, **details: Any) -> web.Response:
    """An error response of the API server."""
    return web.json_response({"apiVersion": "v1", "kind": "Status", **details}, status=code)


def page(code: int = 200) -> web.Response:
    """A response of a proxy."""
    return web.Response(text="<html>restarting</html>", status=code, content_type="text/html")


def after(seconds: float, answer: web.Response) -> Handler:
    """Respond after a delay."""

    async def respond(request: web.Request) -> web.StreamResponse:
        passed = asyncio.Event()
        asyncio.get_running_loop().call_later(seconds, passed.set)
        await passed.wait()
        return answer

    return respond


def write_kubeconfig(
    path: Path, url: object, user: dict[str, Any], ca: trustme.CA | None = None
) -> str:
    """Write a kubeconfig for a server and a user; return its path."""
    cluster = {"server": str(url)}
    if ca is not None:
        pem = ca.cert_pem.bytes()
        cluster["certificate-authority-data"] = base64.b64encode(pem).decode()
    content = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "test",
        "clusters": [{"name": "test", "cluster": cluster}],
        "users": [{"name": "me", "user": user}],
        "contexts": [{"name": "test", "context": {"cluster": "test", "user": "me"}}],
    }
    path.write_text(json.dumps(content))
    return str(path)
