"""The connections to the API server, one per instance, with their faults."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from random import Random

from aiohttp import web

from tests.cluster.proxy import Proxy, cut, html, lose_response

CUT = 0.01
"""How often a connection is cut, before or after a call was executed."""

HTML = 0.005
"""How often a proxy responds with its own page."""

ONE_SERVER = 1 / 3
"""The share of responses from one of three API servers, whose clock may be wrong."""


@dataclass
class Link(Proxy):
    """A connection with random faults while it is `bad`.

    The dates of one of the API servers behind it are `off`.
    """

    random: Random = field(default_factory=Random)
    bad: bool = False
    off: timedelta = timedelta()

    async def handle(self, request: web.Request) -> web.StreamResponse:
        if self.bad:
            which = self.random.random()
            if which < CUT:
                return await self.random.choice((cut, lose_response))(self, request)
            if which < CUT + HTML:
                page: web.StreamResponse = await html(self._status())(self, request)
                return page
        answer = await self.forward(request)
        if self.off and self.random.random() < ONE_SERVER:
            answer.headers["Date"] = format_datetime(datetime.now(UTC) + self.off, usegmt=True)
        return answer

    def _status(self) -> int:
        return self.random.choice((200, 403, 404, 502))
