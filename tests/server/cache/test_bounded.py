"""BoundedCache: eviction by size and by time."""

from cogitate.server.cache.bounded import BoundedCache
from tests.server.cache.clock import Clock


def present(cache: BoundedCache[str, int], keys: str) -> str:
    return "".join(key for key in keys if cache.get(key) is not None)


def test_the_least_recently_used_entry_is_evicted_first() -> None:
    cache = BoundedCache[str, int](3, 60)
    for key in "abc":
        cache.put(key, 1)
    cache.get("a")
    cache.put("d", 1)
    assert present(cache, "abcd") == "acd" and len(cache) == 3


def test_putting_a_key_again_counts_as_a_use() -> None:
    cache = BoundedCache[str, int](2, 60)
    for key in "abac":
        cache.put(key, 1)
    assert present(cache, "abc") == "ac"


def test_sizes_are_measured_by_key_and_value() -> None:
    cache = BoundedCache[str, int](10, 60, size_of=lambda key, value: len(key) + value)
    assert cache.put("a", 4) and cache.put("b", 4) and cache.size == 10
    assert cache.put("c", 0) and present(cache, "abc") == "bc" and cache.size == 6


def test_a_replaced_value_frees_its_size() -> None:
    cache = BoundedCache[str, int](10, 60, size_of=lambda _, value: value)
    for _ in range(10):
        cache.put("a", 5)
    cache.put("b", 5)
    assert present(cache, "ab") == "ab"


def test_a_value_larger_than_the_limit_is_refused_and_replaces_the_older_one_by_nothing() -> None:
    cache = BoundedCache[str, int](10, 60, size_of=lambda _, value: value)
    assert cache.put("a", 10) and not cache.put("a", 11)
    assert cache.get("a") is None and cache.size == 0


def test_an_entry_expires_after_its_time_to_live() -> None:
    clock = Clock()
    cache = BoundedCache[str, int](10, 10, clock=clock)
    cache.put("a", 1)
    clock.now += 9.999
    assert cache.get("a") == 1
    clock.now += 0.001
    assert cache.get("a") is None and len(cache) == 0 and cache.size == 0


def test_an_entry_may_have_a_time_to_live_of_its_own() -> None:
    clock = Clock()
    cache = BoundedCache[str, int](10, 10, clock=clock)
    cache.put("short", 1, seconds=1)
    cache.put("long", 1, seconds=100)
    clock.now += 50
    assert cache.get("short") is None and cache.get("long") == 1


def test_a_read_does_not_extend_the_time_to_live_and_a_put_does() -> None:
    clock = Clock()
    cache = BoundedCache[str, int](10, 10, clock=clock)
    cache.put("a", 1)
    cache.put("b", 1)
    clock.now += 6
    cache.get("a")
    cache.put("b", 2)
    clock.now += 6
    assert present(cache, "ab") == "b"


def test_discarding_and_clearing_free_their_size() -> None:
    cache = BoundedCache[str, int](10, 60)
    for key in "abc":
        cache.put(key, 1)
    cache.discard("a")
    cache.discard("unknown")
    assert present(cache, "abc") == "bc" and cache.size == 2
    cache.clear()
    assert len(cache) == 0 and cache.size == 0
