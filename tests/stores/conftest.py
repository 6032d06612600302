"""What the contract of stores needs where any tool exists."""

import pytest


@pytest.fixture
def tools() -> tuple[str, str]:
    return ("alpha", "beta")
