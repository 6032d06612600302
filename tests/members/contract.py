"""The contract of members. Their tests subclass it."""

import re

import pytest

from backends.members.base import Members


class MembersContract:
    """The behaviour of members; `members` is an opened fixture."""

    @pytest.fixture
    async def members(self) -> Members:
        raise NotImplementedError

    async def test_this_instance_is_always_live(self, members: Members) -> None:
        assert members.own in members.live()

    async def test_its_name_is_a_dns_label(self, members: Members) -> None:
        assert re.fullmatch(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?", members.own)

    async def test_another_process_has_another_name(self, members: Members) -> None:
        assert self.another().own != members.own

    def another(self) -> Members:
        """Return the members of another process."""
        raise NotImplementedError

    async def test_members_can_be_closed(self, members: Members) -> None:
        await members.close()
