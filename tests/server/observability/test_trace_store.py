"""TraceStore: bounds in this process, and what it shares with other processes."""

from cogitate.server.auth.caller import Caller
from cogitate.server.cache import MemoryCache
from cogitate.server.observability.trace_origin import Origin
from cogitate.server.observability.trace_store import TTL_SECONDS, StoredTrace, TraceStore

NAME = ("tenant", "number")
TRACE = StoredTrace("key", b'{"messages":[]}', b'{"id":"r1","events":[]}')
ORIGIN = Origin("number", 1_700_000_000, "tiny", {"name": "best_of_n", "n": 4}, is_own=False)


class SharedMemory(MemoryCache):
    """A cache that two stores share, as processes share Redis; records each time to live."""

    shared = True

    def __init__(self) -> None:
        super().__init__()
        self.seconds: list[int | None] = []
        self.values: list[bytes] = []

    async def put(self, key: str, value: bytes, *, seconds: int | None = None) -> bool:
        self.seconds.append(seconds)
        self.values.append(value)
        return await super().put(key, value, seconds=seconds)


def test_a_trace_shows_its_request_to_its_own_key_only():
    assert TRACE.render(Caller("tenant", "key", "r1")) == b'{"request":{"messages":[]},"id":"r1","events":[]}'
    assert TRACE.render(Caller("tenant", "colleague", "r1")) == b'{"request":null,"id":"r1","events":[]}'


def test_traces_and_origins_survive_their_encoding():
    assert StoredTrace.parse(TRACE.to_bytes()) == TRACE
    assert Origin.parse(ORIGIN.to_bytes()) == ORIGIN


async def test_a_trace_is_found_under_its_tenant_and_number_only():
    store = TraceStore()
    store.put_trace(NAME, TRACE)
    assert await store.fetch_trace(NAME) == TRACE
    assert await store.fetch_trace(("tenant", "another")) is None
    assert await store.fetch_trace(("another", "number")) is None
    assert await store.fetch_origin(NAME) is None


async def test_the_least_recently_used_traces_are_evicted_beyond_the_limit_in_bytes():
    store = TraceStore(max_bytes=10_000)
    for at in range(100):
        store.put_trace(("tenant", str(at)), StoredTrace("key", b"null", b'{"id":"' + b"x" * 1000 + b'"}'))
        store.put_origin(("tenant", f"origin {at}"), ORIGIN)
        assert store.size <= 10_000
    assert await store.fetch_trace(("tenant", "0")) is None
    assert await store.fetch_trace(("tenant", "99")) is not None


async def test_another_process_reads_shared_traces_and_origins_for_a_limited_time():
    cache = SharedMemory()
    first, second = TraceStore(cache), TraceStore(cache)
    first.put_trace(NAME, TRACE)
    first.put_origin(NAME, ORIGIN)
    assert await second.fetch_trace(NAME) is None and await second.fetch_origin(NAME) is None
    assert await first.share_trace(NAME, TRACE)
    await first.share_origin(NAME, ORIGIN)
    assert await second.fetch_trace(NAME) == TRACE and await second.fetch_origin(NAME) == ORIGIN
    assert await second.fetch_trace(("another", "number")) is None
    assert cache.seconds == [TTL_SECONDS, TTL_SECONDS]


async def test_with_a_secret_shared_traces_and_origins_are_encrypted():
    cache, name = SharedMemory(), ("tenant", "r1")
    first, second = (TraceStore(cache, secret=b"s" * 32) for _ in range(2))
    await first.share_trace(name, TRACE)
    await first.share_origin(name, ORIGIN)
    assert len(cache.values) == 2 and not any(b"messages" in value or b"best_of_n" in value for value in cache.values)
    assert await second.fetch_trace(name) == TRACE and await second.fetch_origin(name) == ORIGIN
    assert await TraceStore(cache, secret=b"a guess").fetch_trace(name) is None


async def test_without_a_shared_cache_nothing_is_shared():
    assert not await TraceStore().share_trace(NAME, TRACE)
    await TraceStore().share_origin(NAME, ORIGIN)
