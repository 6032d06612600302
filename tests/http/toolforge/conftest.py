"""Fixtures: the second face over real HTTP, called as its gateway does."""

import pytest

from components.http.identity.identification import TOOL_HEADER
from tests.factories import TOOL
from tests.http.conftest import Client, Serve

NAMED = {TOOL_HEADER: TOOL}
THEIRS = f"/v1/tool/{TOOL}"
CONFIG = f"{THEIRS}/config"
DEPLOYMENT = f"{THEIRS}/deployment"


@pytest.fixture
async def theirs(serve: Serve) -> Client:
    """The service with both faces, and a client of the second one."""
    return await serve(NAMED, toolforge_api=True)
