"""A single instance is responsible for everything."""

import pytest

from backends.members.base import Members
from backends.members.single import SingleMember
from tests.members.contract import MembersContract


class TestSingleMember(MembersContract):
    @pytest.fixture
    async def members(self) -> Members:
        members = SingleMember()
        await members.open()
        return members

    def another(self) -> Members:
        return SingleMember()

    async def test_a_single_member_is_the_only_one(self, members: Members) -> None:
        assert members.live() == {members.own}
