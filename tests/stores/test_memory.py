"""The memory store fulfils the contract of all stores."""

from datetime import timedelta

import pytest

from backends.stores.base import Store
from backends.stores.memory import MemoryStore
from tests.conftest import NOON, HandClock
from tests.stores.contract import StoreContract


class TestMemoryStore(StoreContract):
    @pytest.fixture
    async def store(self) -> Store:
        return MemoryStore()

    async def test_the_time_is_that_of_the_given_clock(self, clock: HandClock) -> None:
        store = MemoryStore(clock)
        clock.turn(60)
        assert await store.now() == NOON + timedelta(minutes=1)
