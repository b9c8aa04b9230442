"""`GET /v1/traces`, `/v1/traces/{id}` and its events, over a real socket; and the texts in progress chunks."""

import contextlib
import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from cogitate.server.auth.keys import create_key
from cogitate.strategies.core.ports import SampleFailed
from cogitate.strategies.core.scripted import ScriptedEngine
from tests.fakes.live_server import Live, eventually, live

pytestmark = pytest.mark.live
VOTE = {"name": "self_consistency", "n": 4, "stop_rule": "none"}
DONE = "[DONE]"


def answers(*numbers, pace=0.0):
    return ScriptedEngine([f"so it is \\boxed{{{number}}}" for number in numbers], pace=pace)


def get(server: Live, path: str, **headers: str) -> httpx.Response:
    return httpx.get(f"{server.url}/v1/traces{path}", headers=headers, timeout=20)


def parse_events(lines) -> Iterator[tuple[int | None, object]]:
    """Yield the number and the data of each server-sent event."""
    number = None
    for line in lines:
        field, _, value = line.partition(": ")
        if field == "id":
            number = int(value)
        elif field == "data":
            yield number, value if value == DONE else json.loads(value)
            number = None


@contextlib.contextmanager
def follow(server: Live, name: str, query: str = "", **headers: str):
    url = f"{server.url}/v1/traces/{name}/events{query}"
    with httpx.stream("GET", url, headers=headers, timeout=10) as response:
        assert response.status_code == 200 and response.headers["content-type"].startswith("text/event-stream")
        yield parse_events(response.iter_lines())


def read_events(server: Live, name: str, query: str = "", **headers: str) -> list:
    with follow(server, name, query, **headers) as events:
        return list(events)


def test_searches_are_listed_newest_first_and_without_their_events():
    with live(answers(1, 2)) as server:
        for name in ("a", "b", "c"):
            server.ask(strategy=VOTE, cache="no-store", headers={"X-Request-Id": name})
        listed = get(server, "").json()
        assert [each["id"] for each in listed["data"]] == ["c", "b", "a"] and listed["has_more"] is False
        whole = get(server, "/a").json()
        assert listed["data"][2] == {key: value for key, value in whole.items() if key not in ("events", "request")}
        short = get(server, "?limit=2").json()
        assert [each["id"] for each in short["data"]] == ["c", "b"] and short["has_more"] is True
        assert get(server, "?limit=3").json()["has_more"] is False


def test_a_request_that_found_a_cached_answer_is_no_search():
    with live(answers(1)) as server:
        server.ask(strategy=VOTE, headers={"X-Request-Id": "found"})
        server.ask(strategy=VOTE, headers={"X-Request-Id": "hit"})
        server.ask(headers={"X-Request-Id": "plain"})
        assert [each["id"] for each in get(server, "").json()["data"]] == ["found"]
        assert read_events(server, "hit") == read_events(server, "found")


def test_a_search_is_listed_while_it_runs():
    with live(answers(1, pace=30)) as server, ThreadPoolExecutor(1) as pool:
        running = pool.submit(server.ask, strategy=VOTE, headers={"X-Request-Id": "now"})
        eventually(lambda: server.engine.running)
        (listed,) = get(server, "").json()["data"]
        assert (listed["id"], listed["status"], listed["answer"]) == ("now", "running", None)
        httpx.post(f"{server.url}/v1/requests/now/cancel")
        running.result(20)
        assert get(server, "").json()["data"][0]["status"] == "request_cancelled"


def test_a_tenant_sees_its_own_searches_alone(tmp_path):
    keys = tmp_path / "keys"
    mine, colleague, other = (f"Bearer {create_key(keys, tenant)}" for tenant in ("a", "a", "b"))
    with live(answers(1), api_keys_file=keys) as server:
        server.ask(strategy=VOTE, headers={"X-Request-Id": "r1", "Authorization": mine})
        assert [each["id"] for each in get(server, "", Authorization=colleague).json()["data"]] == ["r1"]
        assert get(server, "", Authorization=other).json()["data"] == []
        assert read_events(server, "r1", Authorization=colleague)[-1] == (None, DONE)
        assert get(server, "/r1/events", Authorization=other).status_code == 404
        assert get(server, "").status_code == get(server, "/r1/events").status_code == 401


@pytest.mark.parametrize(
    ("path", "param"),
    [
        ("?limit=0", "limit"),
        ("?limit=101", "limit"),
        ("?limit=many", "limit"),
        ("?after=x", "after"),
        ("/a?text=perhaps", "text"),
        ("/a?texts=true", "texts"),
        ("/a/events?text=2", "text"),
    ],
)
def test_a_query_that_cannot_be_honoured_is_refused_by_name(path, param):
    with live(answers(1)) as server:
        refused = get(server, path)
    assert (refused.status_code, refused.json()["error"]["param"]) == (400, param)


@pytest.mark.parametrize("seen", ["-1", "x", "1.5", "9" * 40, "\u00b2"])
def test_a_last_event_that_is_no_number_is_refused(seen):
    with live(answers(1)) as server:
        server.ask(strategy=VOTE, headers={"X-Request-Id": "a"})
        url = f"{server.url}/v1/traces/a/events"
        refused = httpx.get(url, headers={"Last-Event-ID": seen.encode("latin-1")}, timeout=5)
    assert (refused.status_code, refused.json()["error"]["param"]) == (400, "Last-Event-ID")


def test_unknown_traces_are_not_found():
    with live(answers(1)) as server:
        assert get(server, "/none").status_code == get(server, "/none/events").status_code == 404


def test_texts_are_left_out_on_request():
    with live(answers(7)) as server:
        server.ask(strategy=VOTE, headers={"X-Request-Id": "a"})
        loud, quiet = get(server, "/a").json(), get(server, "/a?text=false").json()
        events = read_events(server, "a", "?text=false")
    assert "so it is" in str(loud["events"]) and "so it is" not in str(quiet["events"]) + str(events)
    for event in loud["events"]:
        event.pop("text", None)
    assert quiet == loud and [event for _, event in events] == [*loud["events"], DONE]


def test_the_events_of_a_finished_search_are_replayed_with_their_numbers():
    with live(answers(1, 2)) as server:
        server.ask(strategy=VOTE, headers={"X-Request-Id": "a"})
        trace, events = get(server, "/a").json(), read_events(server, "a")
        rest = read_events(server, "a", **{"Last-Event-ID": "4"})
        beyond = read_events(server, "a", **{"Last-Event-ID": "1000"})
    assert events == [*enumerate(trace["events"]), (None, DONE)]
    assert rest == events[5:] and beyond == [(None, DONE)]


def test_a_running_search_is_followed_to_its_end():
    engine = ScriptedEngine(["\\boxed{1}"], pace=lambda call: 0.0 if call < 3 else 30)
    with live(engine) as server, ThreadPoolExecutor(1) as pool:
        running = pool.submit(server.ask, timeout=60, strategy=VOTE, headers={"X-Request-Id": "now"})
        eventually(lambda: "leader" in get(server, "/now").text)
        with follow(server, "now") as events:
            first = [next(events) for _ in range(5)]
            assert get(server, "/now").json()["status"] == "running"
            httpx.post(f"{server.url}/v1/requests/now/answer", timeout=20)
            seen = [*first, *events]
        assert running.result(20).status_code == 200
        trace = get(server, "/now").json()
    assert trace["status"] == "completed"
    assert seen == [*enumerate(trace["events"]), (None, DONE)]


def test_a_running_search_is_followed_from_the_last_event_that_was_seen():
    engine = ScriptedEngine(["\\boxed{1}"], pace=lambda call: 0.0 if call < 3 else 0.5)
    with live(engine) as server, ThreadPoolExecutor(1) as pool:
        running = pool.submit(server.ask, strategy=VOTE, headers={"X-Request-Id": "now"})
        eventually(lambda: "decode" in get(server, "/now").text)
        seen = read_events(server, "now", "?text=false", **{"Last-Event-ID": "2"})
        running.result(20)
    assert [number for number, _ in seen[:-1]] == [*range(3, len(seen) + 2)]
    assert seen[-2][1]["kind"] == "end" and "text" not in str(seen)


def test_visible_text_gives_events_no_numbers():
    """Text that is streamed while it is decoded is in the log of a search, and not in its trace."""
    with live(ScriptedEngine(["one two three \\boxed{1}"], pace=0.02)) as server, ThreadPoolExecutor(1) as pool:
        asked = pool.submit(server.ask, strategy="chain_of_thought", stream=True, headers={"X-Request-Id": "now"})
        eventually(lambda: server.engine.running)
        seen = read_events(server, "now")
        asked.result(20)
        assert seen == [*enumerate(get(server, "/now").json()["events"]), (None, DONE)]


def test_a_follower_that_leaves_stops_nothing_and_leaves_nothing():
    with live(answers(1, pace=30)) as server, ThreadPoolExecutor(1) as pool:
        running = pool.submit(server.ask, timeout=60, strategy=VOTE, headers={"X-Request-Id": "now"})
        eventually(lambda: server.engine.running)
        for _ in range(3):
            with follow(server, "now") as events:
                next(events)
        assert server.engine.running and server.engine.cancelled == 0
        httpx.post(f"{server.url}/v1/requests/now/cancel")
        assert running.result(20).status_code == 499
        eventually(lambda: not server.service.jobs.live)


def test_a_failed_search_ends_its_events():
    with live(ScriptedEngine([SampleFailed("gone")])) as server:
        server.ask(strategy=VOTE, headers={"X-Request-Id": "bad"})
        seen = read_events(server, "bad")
    assert seen[-1] == (None, DONE) and {event["kind"] for _, event in seen[:-1]} == {"start", "failure"}


def test_a_cached_answer_whose_trace_has_gone_has_no_events():
    with live(answers(1)) as server:
        server.ask(strategy=VOTE, headers={"X-Request-Id": "found"})
        eventually(lambda: not server.service.traces.running)  # the trace is stored after the response
        server.service.traces.store.clear()
        server.ask(strategy=VOTE, headers={"X-Request-Id": "hit"})
        assert get(server, "/hit").json()["status"] == "cached"
        assert read_events(server, "hit") == [(None, DONE)]


@pytest.mark.parametrize(("wish", "has_text"), [("text", True), (True, False)])
@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("chat/completions", {"messages": [{"role": "user", "content": "What is 6*7?"}]}),
        ("completions", {"prompt": "What is 6*7?"}),
        ("responses", {"input": "What is 6*7?"}),
    ],
)
def test_progress_has_the_texts_of_decodes_where_they_are_asked_for(path, body, wish, has_text):
    fields = {"model": "scripted", "strategy": VOTE, "stream": True, "stream_options": {"include_progress": wish}}
    with live(answers(42)) as server:
        text = server.http.post(f"{server.url}/v1/{path}", json=body | fields, timeout=5).text
    chunks = [json.loads(line[6:]) for line in text.splitlines() if line.startswith("data: {")]
    decodes = [chunk["cogitate"] for chunk in chunks if chunk.get("cogitate", {}).get("event") == "sampled"]
    assert [decode.get("text") for decode in decodes] == [r"so it is \boxed{42}" if has_text else None] * 4
    assert {"parent", "depth", "model", "logprob"} <= decodes[0].keys()


@pytest.mark.parametrize("wish", ["texts", 1, "", []])
def test_a_wish_for_progress_that_is_unknown_is_refused_by_name(wish):
    with live(answers(42)) as server:
        refused = server.ask(strategy=VOTE, stream=True, stream_options={"include_progress": wish})
    assert (refused.status_code, refused.json()["error"]["param"]) == (400, "stream_options.include_progress")
