"""Responses in the cache that all processes share, without a Redis."""

import pytest

from cogitate.server.cache import MemoryCache
from cogitate.server.errors import UpstreamError
from cogitate.server.serving.shared_responses import RUNNING_SECONDS, TTL_SECONDS, SharedResponses, StoredResponse

NAME = ("tenant", "resp_1")
SECRET = b"s" * 32
RUNNING = StoredResponse(response={"id": "resp_1", "status": "in_progress"}, input=[{"role": "user"}], is_streamed=True)
ENDED = RUNNING.update({"id": "resp_1", "status": "completed"})


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture(params=[None, SECRET], ids=["plain", "encrypted"])
def shared(clock, request):
    return SharedResponses(MemoryCache(clock=clock), request.param)


async def read(shared):
    events = shared.follow(NAME)
    try:
        return [event async for event in events]
    finally:
        await events.aclose()


async def test_response_is_fetched_by_its_tenant_and_id_only(shared):
    await shared.put(NAME, ENDED)
    assert await shared.fetch(NAME) == ENDED
    assert await shared.fetch(("other", "resp_1")) is await shared.fetch(("tenant", "resp_2")) is None


@pytest.mark.parametrize(("stored", "seconds"), [(RUNNING, RUNNING_SECONDS), (ENDED, TTL_SECONDS)])
async def test_response_expires_earlier_while_it_runs(shared, clock, stored, seconds):
    await shared.put(NAME, stored)
    clock.now = seconds - 1
    assert await shared.fetch(NAME) == stored
    clock.now = seconds + 1
    assert await shared.fetch(NAME) is None


async def test_events_are_read_in_order_up_to_the_end(shared):
    await shared.put_events(NAME, 0, [b"a", b"b"])
    await shared.put_events(NAME, 1, [b"c"])
    await shared.put(NAME, ENDED)
    assert await read(shared) == [b"a", b"b", b"c"]


async def test_events_of_a_process_that_has_died_end_with_an_error(shared, clock):
    await shared.put_events(NAME, 0, [b"a"])
    await shared.put(NAME, RUNNING)
    clock.now = RUNNING_SECONDS + 1
    events = shared.follow(NAME)
    assert await anext(events) == b"a"
    with pytest.raises(UpstreamError):
        await anext(events)


async def test_deleted_response_leaves_nothing(shared):
    for segment in range(3):
        await shared.put_events(NAME, segment, [b"a"])
    await shared.put(NAME, ENDED)
    await shared.delete(NAME)
    assert await shared.fetch(NAME) is None
    await shared.put(NAME, ENDED)
    assert await read(shared) == []


@pytest.mark.parametrize("value", [b"", b"{", b"[]", b'{"response": 1}', b'{"input": []}'])
async def test_value_that_is_no_response_is_none(clock, value):
    cache = MemoryCache(clock=clock)
    shared = SharedResponses(cache, None)
    await shared.put(NAME, ENDED)
    (key,) = cache._values._entries
    await cache.put(key, value)
    assert await shared.fetch(NAME) is None
