"""The bounds of the cache in memory: entries, bytes, age."""

import tracemalloc

from cogitate.server.cache.memory import MemoryCache


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


async def kept(cache: MemoryCache, *keys: str) -> str:
    return "".join([key for key in keys if await cache.get(key) is not None])


async def test_the_least_recently_used_goes_first() -> None:
    cache = MemoryCache(entries=3)
    for key in "abc":
        await cache.put(key, b"")
    await cache.get("a")
    await cache.put("d", b"")
    assert await kept(cache, *"abcd") == "acd"


async def test_putting_again_is_a_use() -> None:
    cache = MemoryCache(entries=2)
    for key in "abac":
        await cache.put(key, b"")
    assert await kept(cache, *"abc") == "ac"


async def test_bytes_are_bounded_keys_included() -> None:
    cache = MemoryCache(bytes_limit=20)
    await cache.put("a", b"123456789")
    await cache.put("b", b"123456789")
    assert await kept(cache, *"ab") == "ab"
    await cache.put("c", b"")
    assert await kept(cache, *"abc") == "bc"


async def test_a_replaced_value_gives_its_bytes_back() -> None:
    cache = MemoryCache(bytes_limit=20)
    for _ in range(10):
        await cache.put("a", b"123456789")
    await cache.put("b", b"123456789")
    assert await kept(cache, *"ab") == "ab"


async def test_a_value_above_the_bound_is_not_kept() -> None:
    cache = MemoryCache(bytes_limit=20)
    await cache.put("a", b"x" * 20)
    assert await kept(cache, "a") == ""
    await cache.put("a", b"x" * 19)
    assert await kept(cache, "a") == "a"


async def test_an_entry_ends_with_its_time_to_live() -> None:
    clock = Clock()
    cache = MemoryCache(ttl=10, clock=clock)
    await cache.put("a", b"1")
    clock.now += 9.999
    assert await cache.get("a") == b"1"
    clock.now += 0.001
    assert await cache.get("a") is None


async def test_a_read_does_not_lengthen_a_life_and_a_put_does() -> None:
    clock = Clock()
    cache = MemoryCache(ttl=10, clock=clock)
    await cache.put("a", b"1")
    await cache.put("b", b"1")
    clock.now += 6
    await cache.get("a")
    await cache.put("b", b"2")
    clock.now += 6
    assert await kept(cache, *"ab") == "b"


async def test_memory_stays_within_the_bounds() -> None:
    cache = MemoryCache(entries=50, bytes_limit=100_000)
    tracemalloc.start()
    for n in range(5000):
        await cache.put(f"{n:064}", bytes(n % 5000))
    held, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert held < 200_000
