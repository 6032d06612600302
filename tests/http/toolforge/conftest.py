"""Fixtures: the second face over real HTTP, called as its gateway does."""

from typing import Any

import pytest

from components.http.identity.identification import TOOL_HEADER
from tests.factories import TOOL
from tests.http.conftest import DEPLOY, SUBJECT, Client, Serve, data_of

NAMED = {TOOL_HEADER: TOOL}
THEIRS = f"/v1/tool/{TOOL}"
CONFIG = f"{THEIRS}/config"
DEPLOYMENT = f"{THEIRS}/deployment"
_OPEN = ("PENDING", "RUNNING")


@pytest.fixture
async def theirs(serve: Serve) -> Client:
    """The service with both faces, and a client of the second one."""
    return await serve(NAMED, toolforge_api=True)


async def ended(client: Client, deploy_id: str) -> Any:
    """Wait until a deployment has ended, and return it."""
    path = f"{DEPLOY}/{deploy_id}?wait=30"
    while (await data_of(await client.get(path, headers=SUBJECT)))["status"] in _OPEN:
        pass
    return await data_of(await client.get(f"{DEPLOYMENT}/{deploy_id}"))
