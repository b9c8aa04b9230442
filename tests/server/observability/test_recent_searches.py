"""The list of a tenant's latest searches."""

from cogitate.server.cache import MemoryCache
from cogitate.server.observability.recent_searches import MAX_LISTED, RecentSearches
from cogitate.server.observability.trace_store import TTL_SECONDS, TraceStore


class Clock:
    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        self.now += 1
        return self.now


async def find(number: str) -> bytes | None:
    return None if number.startswith("gone") else number.encode()


async def test_the_newest_come_first_and_those_without_a_trace_are_left_out():
    recent = RecentSearches(TraceStore(), Clock())
    for number in ("a", "gone 1", "b", "gone 2", "c", "d"):
        recent.add("tenant", number)
    assert await recent.list_summaries("tenant", 2, find) == ([b"d", b"c"], True)
    assert await recent.list_summaries("tenant", 4, find) == ([b"d", b"c", b"b", b"a"], False)
    assert await recent.list_summaries("another", 4, find) == ([], False)


async def test_the_list_is_bounded_in_length_and_in_time():
    clock = Clock()
    recent = RecentSearches(TraceStore(), clock)
    for number in range(MAX_LISTED + 50):
        recent.add("tenant", str(number))
    found, has_more = await recent.list_summaries("tenant", 1000, find)
    assert (len(found), found[0], has_more) == (MAX_LISTED, b"249", False)
    clock.now += TTL_SECONDS
    assert await recent.list_summaries("tenant", 1000, find) == ([], False)


async def test_processes_that_share_a_cache_list_the_searches_of_all():
    cache, clock = MemoryCache(), Clock()
    first, second = (RecentSearches(TraceStore(cache), clock) for _ in range(2))
    first.add("tenant", "a")
    await first.share("tenant")
    second.add("tenant", "b")
    await second.share("tenant")
    first.add("tenant", "c")
    assert (await first.list_summaries("tenant", 9, find))[0] == [b"c", b"b", b"a"]
    assert (await second.list_summaries("tenant", 9, find))[0] == [b"b", b"a"]
    assert (await second.list_summaries("another", 9, find))[0] == []


async def test_a_broken_shared_list_is_empty():
    store = TraceStore(MemoryCache())
    recent = RecentSearches(store, Clock())
    recent.add("tenant", "a")
    for broken in (b"", b"{", b'[["x"]]', b"[[1]]", b'{"a":1}'):
        await store.share("searches", ("tenant", ""), broken)
        assert (await recent.list_summaries("tenant", 9, find))[0] == [b"a"]
