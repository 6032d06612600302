"""The fixture of the store contract for stores where every tool exists."""

import pytest


@pytest.fixture
def tools() -> tuple[str, str]:
    return ("alpha", "beta")
