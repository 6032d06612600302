"""The builds service of the tests, with room for all builds and the same delay for each call.

python -m bench.builds PORT SECONDS. `GET /most` returns how many starts were in flight at a time.
"""

import asyncio
import sys

from aiohttp import web
from aiohttp.typedefs import Handler

from tests.builders.toolforge.builds_service import BuildsService

SLOTS = 1000
HOURS = 3600.0


class InFlight:
    """Counts the starts in flight."""

    def __init__(self) -> None:
        self.now = 0
        self.most = 0

    @web.middleware
    async def count(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Count a request while it is handled, if it starts a build."""
        if request.method != "POST":
            return await handler(request)
        self.now += 1
        self.most = max(self.most, self.now)
        try:
            return await handler(request)
        finally:
            self.now -= 1

    async def report(self, request: web.Request) -> web.Response:
        """Return the maximum since the last time."""
        most, self.most = self.most, self.now
        return web.json_response(most)


async def main(port: int, seconds: float) -> None:
    """Serve until stopped."""
    service, flight = BuildsService(slots=SLOTS, seconds=HOURS), InFlight()
    service.latency = lambda: seconds
    app = service.app()
    app.middlewares.insert(0, flight.count)
    # Not under the middleware that delays and checks the tool's own requests.
    outer = web.Application()
    outer.router.add_get("/most", flight.report)
    outer.add_subapp("/gateway", app)
    runner = web.AppRunner(outer, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), float(sys.argv[2])))
