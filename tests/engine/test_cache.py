"""What is kept in memory to be used again has a bound, in number and in bytes."""

from components.engine.cache import BoundedCache


def test_what_is_kept_is_found() -> None:
    recent: BoundedCache[str, int] = BoundedCache(max_entries=2, max_bytes=10)
    recent.put("a", 1, 5)
    assert recent.get("a") == 1
    assert recent.get("b") is None


def test_what_was_used_longest_ago_makes_place() -> None:
    recent: BoundedCache[str, int] = BoundedCache(max_entries=2, max_bytes=10)
    recent.put("a", 1, 1)
    recent.put("b", 2, 1)
    recent.get("a")
    recent.put("c", 3, 1)
    assert (recent.get("a"), recent.get("b"), recent.get("c")) == (1, None, 3)


def test_together_they_have_no_more_bytes_than_there_is_room() -> None:
    recent: BoundedCache[str, int] = BoundedCache(max_entries=100, max_bytes=10)
    for number in range(100):
        recent.put(str(number), number, 3)
    assert [n for n in range(100) if recent.get(str(n)) is not None] == [97, 98, 99]


def test_what_is_larger_than_the_room_is_not_kept() -> None:
    recent: BoundedCache[str, int] = BoundedCache(max_entries=2, max_bytes=10)
    recent.put("a", 1, 11)
    assert recent.get("a") is None


def test_keeping_again_counts_once() -> None:
    recent: BoundedCache[str, int] = BoundedCache(max_entries=2, max_bytes=10)
    for size in (8, 9, 2):
        recent.put("a", size, size)
    recent.put("b", 1, 8)
    assert (recent.get("a"), recent.get("b")) == (2, 1)
