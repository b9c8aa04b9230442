"""Following a search whose events are far apart, or whose process has gone."""

import pytest

from cogitate.server.auth.caller import Caller
from cogitate.server.cache import MemoryCache
from cogitate.server.observability.metrics import Metrics
from cogitate.server.observability.trace_store import StoredTrace, TraceStore
from cogitate.server.planning.plan import DEFAULT_SAMPLING, Plan
from cogitate.server.protocol.chat import ChatRequest
from cogitate.server.serving.trace_feed import TraceFeed, TraceLost
from cogitate.server.serving.trace_registry import TraceRegistry
from cogitate.strategies.core.prompt import Message, Prompt
from cogitate.strategies.core.recorder import Recorder
from cogitate.strategies.core.trace import Trace
from cogitate.strategies.self_consistency import SelfConsistency

CALLER = Caller("tenant", "key", "r1")
REQUEST = ChatRequest.model_validate({"model": "m", "messages": [{"role": "user", "content": "hi"}]})
PLAN = Plan(
    request=REQUEST,
    model="m",
    strategy=SelfConsistency(),
    width=1,
    cost=1,
    key=None,
    sampling=DEFAULT_SAMPLING,
    caller=CALLER,
    served_model="m",
    id="chatcmpl-r1",
)


def build_registry() -> TraceRegistry:
    return TraceRegistry(Metrics(), TraceStore(MemoryCache()), lambda work: work.close())


async def test_a_comment_is_due_while_nothing_happens_and_each_event_comes_once():
    registry, trace = build_registry(), Trace()
    registry.running["tenant", "r1"] = PLAN, trace
    record = Recorder(trace)
    events = TraceFeed(registry, CALLER, text=True).follow(0, 0.01)
    assert await anext(events) is None and await anext(events) is None
    record.start(0, "candidate", Prompt((Message("user", "hi"),)), parent=None, seed=None)
    assert [(number, event["kind"]) for number, event in [await anext(events)]] == [(0, "start")]
    assert await anext(events) is None
    trace.close()
    assert [event async for event in events] == []


async def test_a_search_of_another_process_that_has_gone_is_lost():
    registry = build_registry()
    running = StoredTrace("key", b"null", b'{"status":"running","events":[]}')
    await registry.store.share_trace(("tenant", "r1"), running)
    feed = TraceFeed(registry, CALLER, text=True)
    assert await feed.exists()
    events = feed.follow(0, 0.01)
    assert await anext(events) is None
    registry.store.shared = MemoryCache()
    with pytest.raises(TraceLost):
        await anext(events)


async def test_a_trace_that_an_earlier_version_has_stored_is_replayed_as_it_is():
    registry = build_registry()
    old = StoredTrace("key", b"null", b'{"status":"completed","events":[{"at":0.1,"event":"sampled","text":"x"}]}')
    await registry.store.share_trace(("tenant", "r1"), old)
    seen = [event async for event in TraceFeed(registry, CALLER, text=False).follow(0, 1)]
    assert seen == [(0, {"at": 0.1, "event": "sampled"})]
