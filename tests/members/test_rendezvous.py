"""All members agree on who is responsible, and few keys move when members change."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backends.members.rendezvous import responsible

members = st.sets(st.text(max_size=5), min_size=1, max_size=6)


@given(st.text(), members)
def test_the_responsible_member_does_not_depend_on_the_order(key: str, names: set[str]) -> None:
    found = responsible(key, names)
    assert found in names
    assert responsible(key, sorted(names, reverse=True)) == found


@given(st.text(), members, st.text(max_size=5))
def test_only_the_keys_of_a_leaving_member_move(key: str, names: set[str], gone: str) -> None:
    before = responsible(key, names | {gone})
    if before != gone:
        assert responsible(key, names) == before


def test_the_load_is_spread() -> None:
    load = Counter(responsible(f"tool-{n}", ["one", "two", "three"]) for n in range(3000))
    assert all(800 < number < 1200 for number in load.values())


def test_every_process_assigns_the_same_member() -> None:
    assert responsible("tool", ["one", "two", "three"]) == "two"


def test_without_members_it_raises() -> None:
    with pytest.raises(ValueError, match="empty"):
        responsible("tool", [])
