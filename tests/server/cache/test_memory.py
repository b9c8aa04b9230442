"""The cache in memory: its bounds in bytes and in time."""

import tracemalloc

from cogitate.server.cache.memory import ENTRY_OVERHEAD_BYTES, MemoryCache
from tests.server.cache.clock import Clock


async def find_present(cache: MemoryCache, keys: str) -> str:
    return "".join([key for key in keys if await cache.get(key) is not None])


async def test_bytes_are_bounded_with_those_of_keys_and_bookkeeping() -> None:
    cache = MemoryCache(max_bytes=2 * (10 + ENTRY_OVERHEAD_BYTES))
    await cache.put("a", b"123456789")
    await cache.put("b", b"123456789")
    assert await find_present(cache, "ab") == "ab"
    await cache.put("c", b"")
    assert await find_present(cache, "abc") == "bc"


async def test_a_value_above_the_bound_is_not_stored() -> None:
    cache = MemoryCache(max_bytes=20 + ENTRY_OVERHEAD_BYTES)
    assert not await cache.put("a", b"x" * 20) and await cache.get("a") is None
    assert await cache.put("a", b"x" * 19) and await cache.get("a") == b"x" * 19


async def test_a_value_expires_after_the_time_to_live() -> None:
    clock = Clock()
    cache = MemoryCache(ttl=10, clock=clock)
    await cache.put("a", b"1")
    await cache.put("b", b"1", seconds=5)
    clock.now += 9.999
    assert await find_present(cache, "ab") == "a"
    clock.now += 0.001
    assert await find_present(cache, "ab") == ""


async def test_allocated_memory_stays_within_the_bound() -> None:
    """With many small values, of which bookkeeping takes most, and with large ones."""
    max_bytes = 200_000
    for size in (0, 100, 5000):
        cache = MemoryCache(max_bytes=max_bytes)
        tracemalloc.start()
        for n in range(5000):
            await cache.put(f"{n:064}", bytes(n % (size + 1)))
        allocated, _ = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert allocated < 1.25 * max_bytes, size
