"""Repositories served over HTTP by `git http-backend`, as a real server does."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

from aiohttp import web

from tests.builders.local.conftest import git
from tests.conftest import unmeasured


class GitServer:
    """Serves the repositories in `root` below /. `requests` has the path of each request.

    `speaks` may be 0: then it ignores that a client knows version 2. `before` is called with each
    request, and may respond in its place.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self.speaks = 2
        self.requests: list[str] = []
        self.before: Callable[[web.Request], Awaitable[web.StreamResponse | None]] | None = None

    def make(self, name: str = "web.git", *options: str) -> Path:
        """Create a repository with one commit on `main`; return its directory."""
        where = self.root / name
        where.mkdir(parents=True)
        git(where, "init", "--quiet", *options)
        git(where, "commit", "--quiet", "--allow-empty", "--message=first")
        return where

    def app(self) -> web.Application:
        """The server."""
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", self._respond)
        return app

    async def _respond(self, request: web.Request) -> web.StreamResponse:
        self.requests.append(request.path)
        if self.before and (response := await self.before(request)):
            return response
        variables = {
            "GIT_PROJECT_ROOT": str(self.root),
            "GIT_HTTP_EXPORT_ALL": "1",
            "REQUEST_METHOD": request.method,
            "PATH_INFO": request.path,
            "QUERY_STRING": request.query_string,
            "CONTENT_TYPE": request.headers.get("Content-Type", ""),
            "GIT_PROTOCOL": request.headers.get("Git-Protocol", "") if self.speaks else "",
        }
        process = await asyncio.create_subprocess_exec(
            "git",
            "http-backend",
            env={**unmeasured(), **variables},
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
        )
        answer, _ = await process.communicate(await request.read())
        head, _, body = answer.partition(b"\r\n\r\n")
        headers = dict(line.split(": ", 1) for line in head.decode().split("\r\n"))
        status = int(headers.pop("Status", "200").split()[0])
        return web.Response(status=status, headers=headers, body=body)
