"""Tools take turns, and slow reconciliations free their slots."""

from components.engine.loop.scheduling import FairQueue


def test_tools_take_turns() -> None:
    queue = FairQueue(slots=3, max_per_tool=1)
    for key in (("a", "1"), ("a", "2"), ("a", "3"), ("b", "1"), ("c", "1"), ("d", "1")):
        queue.add(key, 0)
    taken = [queue.take() for _ in range(4)]
    assert taken == [("a", "1"), ("b", "1"), ("c", "1"), None]
    queue.done(("a", "1"))
    assert queue.take() == ("d", "1")
    queue.done(("b", "1"))
    assert queue.take() == ("a", "2")


def test_a_slot_is_freed_once() -> None:
    queue = FairQueue(slots=1, max_per_tool=2)
    for key in (("a", "1"), ("a", "2"), ("a", "3"), ("b", "1")):
        queue.add(key, 0)
    assert queue.take() == ("a", "1")
    queue.free_slot(("a", "1"))
    queue.free_slot(("a", "1"))
    assert (queue.take(), queue.take()) == (("b", "1"), None)
    queue.done(("a", "1"))
    assert queue.take() is None
    queue.done(("b", "1"))
    assert (queue.take(), queue.take()) == (("a", "2"), None)


def test_a_waiting_or_running_deployment_is_not_added_twice() -> None:
    queue = FairQueue()
    queue.add(("a", "1"), 0)
    queue.add(("a", "1"), 1)
    assert queue.oldest_due() == 0
    assert queue.take() == ("a", "1")
    queue.add(("a", "1"), 2)
    assert (queue.take(), queue.oldest_due()) == (None, None)
    queue.done(("a", "1"))
    queue.add(("a", "1"), 3)
    assert queue.take() == ("a", "1")
