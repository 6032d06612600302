"""The cache is bounded, in entries and in bytes."""

from components.engine.cache import BoundedCache


def test_a_cached_value_is_found() -> None:
    recent: BoundedCache[str, int] = BoundedCache(max_entries=2, max_bytes=10)
    recent.put("a", 1, 5)
    assert recent.get("a") == 1
    assert recent.get("b") is None


def test_the_least_recently_used_value_is_evicted() -> None:
    recent: BoundedCache[str, int] = BoundedCache(max_entries=2, max_bytes=10)
    recent.put("a", 1, 1)
    recent.put("b", 2, 1)
    recent.get("a")
    recent.put("c", 3, 1)
    assert (recent.get("a"), recent.get("b"), recent.get("c")) == (1, None, 3)


def test_the_total_size_is_bounded() -> None:
    recent: BoundedCache[str, int] = BoundedCache(max_entries=100, max_bytes=10)
    for number in range(100):
        recent.put(str(number), number, 3)
    assert [n for n in range(100) if recent.get(str(n)) is not None] == [97, 98, 99]


def test_a_value_larger_than_the_bound_is_not_cached() -> None:
    recent: BoundedCache[str, int] = BoundedCache(max_entries=2, max_bytes=10)
    recent.put("a", 1, 11)
    assert recent.get("a") is None


def test_a_value_that_is_cached_twice_counts_once() -> None:
    recent: BoundedCache[str, int] = BoundedCache(max_entries=2, max_bytes=10)
    for size in (8, 9, 2):
        recent.put("a", size, size)
    recent.put("b", 1, 8)
    assert (recent.get("a"), recent.get("b")) == (2, 1)
