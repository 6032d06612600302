"""Tools take turns, and what takes long gives its place to others."""

from components.engine.loop.pacing import Turns


def test_in_each_turn_of_a_tool_others_have_theirs() -> None:
    turns = Turns(places=3, share=1)
    for key in (("a", "1"), ("a", "2"), ("a", "3"), ("b", "1"), ("c", "1"), ("d", "1")):
        turns.join(key, 0)
    taken = [turns.take() for _ in range(4)]
    assert taken == [("a", "1"), ("b", "1"), ("c", "1"), None]
    turns.end(("a", "1"))
    assert turns.take() == ("d", "1")
    turns.end(("b", "1"))
    assert turns.take() == ("a", "2")


def test_a_place_that_was_given_to_others_is_given_once() -> None:
    turns = Turns(places=1, share=2)
    for key in (("a", "1"), ("a", "2"), ("a", "3"), ("b", "1")):
        turns.join(key, 0)
    assert turns.take() == ("a", "1")
    turns.make_way(("a", "1"))
    turns.make_way(("a", "1"))
    assert (turns.take(), turns.take()) == (("b", "1"), None)
    turns.end(("a", "1"))
    assert turns.take() is None
    turns.end(("b", "1"))
    assert (turns.take(), turns.take()) == (("a", "2"), None)


def test_one_that_waits_or_is_moved_on_is_not_taken_twice() -> None:
    turns = Turns()
    turns.join(("a", "1"), 0)
    turns.join(("a", "1"), 1)
    assert turns.longest_due() == 0
    assert turns.take() == ("a", "1")
    turns.join(("a", "1"), 2)
    assert (turns.take(), turns.longest_due()) == (None, None)
    turns.end(("a", "1"))
    turns.join(("a", "1"), 3)
    assert turns.take() == ("a", "1")
