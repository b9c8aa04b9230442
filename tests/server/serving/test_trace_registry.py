"""Every trace id in a response leads to a trace: for a cached or repeated answer, to that of its search."""

from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from cogitate.server.auth.keys import create_key
from cogitate.strategies.core.scripted import ScriptedEngine
from tests.fakes.live_server import HELLO, Live, eventually, live

pytestmark = pytest.mark.live
VOTE = {"name": "self_consistency", "n": 4, "stop_rule": "none"}


def build_engine(pace: float = 0.0) -> ScriptedEngine:
    return ScriptedEngine(["so it is \\boxed{42}"], pace=pace)


def get_trace(server: Live, name: str, **headers: str) -> httpx.Response:
    return httpx.get(f"{server.url}/v1/traces/{name}", timeout=5, headers=headers)


def test_a_cached_answer_has_the_trace_of_the_search_that_found_it():
    with live(build_engine()) as server:
        answers = [server.ask(strategy=VOTE) for _ in range(4)]
        assert [answer.headers.get("x-cache") for answer in answers] == [None] + ["hit"] * 3
        names = [answer.json()["cogitate"]["trace_id"] for answer in answers]
        assert names == [answer.headers["x-request-id"] for answer in answers] and len(set(names)) == 4
        traces = [get_trace(server, name).json() for name in names]
    assert all(trace == traces[0] for trace in traces) and traces[0]["status"] == "completed"
    assert traces[0]["request"]["messages"] == HELLO["messages"]
    assert len([event for event in traces[0]["events"] if event["kind"] == "decode" and not event["aborted"]]) == 4


def test_a_trace_is_found_by_request_id_and_by_answer_id():
    with live(build_engine()) as server:
        for name in ("found", "hit"):
            answer = server.ask(strategy=VOTE, headers={"X-Request-Id": name}).json()
            assert get_trace(server, name).content == get_trace(server, answer["id"]).content
            assert get_trace(server, name).json()["status"] == "completed"


def test_a_cached_answer_whose_trace_is_gone_has_status_cached():
    with live(build_engine(), cache_bytes=12_000) as server:
        server.ask(strategy=VOTE, headers={"X-Request-Id": "found"})
        for at in range(8):
            server.ask(strategy=VOTE | {"n": 1}, cache="no-store", headers={"X-Request-Id": str(at)})
        server.ask(strategy=VOTE, headers={"X-Request-Id": "hit"})
        trace = get_trace(server, "hit").json()
        assert get_trace(server, "found").status_code == 404
    assert (trace["id"], trace["status"], trace["strategy"]["n"]) == ("hit", "cached", 4)
    assert trace["request"] is None and trace["events"] == [] and not any(trace["usage"].values())


def test_a_request_id_that_is_used_again_leads_to_the_last_request():
    with live(build_engine()) as server:
        for _ in range(2):
            server.ask(strategy=VOTE, headers={"X-Request-Id": "mine"})
        assert get_trace(server, "mine").json()["status"] == "completed"
        server.ask(strategy=VOTE | {"n": 2}, headers={"X-Request-Id": "mine"})
        assert get_trace(server, "mine").json()["strategy"]["n"] == 2


@pytest.mark.parametrize("cache", ["default", "no-store"])
@pytest.mark.parametrize("stream", [False, True])
def test_a_repeated_idempotency_key_has_the_trace_of_the_first_request(cache, stream):
    with live(build_engine()) as server:
        server.ask(strategy=VOTE, cache=cache, headers={"X-Request-Id": "found"})
        for name in ("first", "second"):
            asked = {"strategy": VOTE, "cache": cache, "stream": stream}
            server.ask(headers={"X-Request-Id": name, "Idempotency-Key": "k"}, **asked)
        traces = [get_trace(server, name) for name in ("first", "second")]
        assert traces[0].json() == traces[1].json() and traces[0].json()["status"] == "completed"
        assert len(server.engine.calls) == (4 if cache == "default" else 8)


def test_a_request_that_joined_a_running_search_has_its_trace_from_the_start():
    with live(build_engine(pace=0.1)) as server, ThreadPoolExecutor(2) as pool:
        asks = [pool.submit(server.ask, strategy=VOTE, headers={"X-Request-Id": name}) for name in "ab"]
        eventually(lambda: all(get_trace(server, name).status_code == 200 for name in "ab"))
        assert {get_trace(server, name).json()["status"] for name in "ab"} == {"running"}
        assert [ask.result(5).status_code for ask in asks] == [200, 200]
        assert get_trace(server, "a").json() == get_trace(server, "b").json()


def test_a_trace_shows_its_request_to_the_key_that_sent_it_and_nothing_to_other_tenants(tmp_path):
    keys = tmp_path / "keys"
    mine, colleague, stranger = ({"Authorization": f"Bearer {create_key(keys, tenant)}"} for tenant in ("a", "a", "b"))
    with live(build_engine(), api_keys_file=keys) as server:
        for by, name in ((mine, "found"), (colleague, "hit"), (mine, "own")):
            answer = server.ask(strategy=VOTE, headers={"X-Request-Id": name, **by})
        answer_id = answer.json()["id"]
        assert get_trace(server, "own", **mine).json()["request"]["messages"]
        assert get_trace(server, "hit", **colleague).json()["request"] is None
        assert get_trace(server, "hit", **colleague).json()["events"]
        assert {get_trace(server, name, **stranger).status_code for name in ("found", "hit", "own", answer_id)} == {404}


def test_a_plain_answer_has_no_trace():
    with live(build_engine()) as server:
        for name in "ab":
            server.ask(temperature=0, headers={"X-Request-Id": name})
        assert {get_trace(server, name).status_code for name in "ab"} == {404}


@pytest.mark.parametrize("key", [{}, {"Idempotency-Key": "k"}])
def test_a_request_sent_again_with_the_same_id_keeps_its_trace(key):
    with live(build_engine(pace=0.05)) as server, ThreadPoolExecutor(2) as pool:
        asks = [pool.submit(server.ask, strategy=VOTE, headers={"X-Request-Id": "again", **key}) for _ in range(2)]
        assert [ask.result(5).status_code for ask in asks] == [200, 200] and len(server.engine.calls) == 4
        eventually(lambda: get_trace(server, "again").json()["status"] == "completed")
        assert get_trace(server, "again").json()["usage"]["completion_tokens"] == server.engine.decoded


def test_a_cached_answer_under_the_id_of_a_running_search_leaves_requests_that_joined_it_their_trace():
    other = {"messages": [{"role": "user", "content": "What is 2 + 2?"}]}
    with live(build_engine(pace=0.1)) as server, ThreadPoolExecutor(2) as pool:
        server.ask(strategy=VOTE)
        runs = [
            pool.submit(server.ask, strategy=VOTE, headers={"X-Request-Id": name}, **other) for name in ("fix", "join")
        ]
        eventually(lambda: all(get_trace(server, name).status_code == 200 for name in ("fix", "join")))
        assert server.ask(strategy=VOTE, headers={"X-Request-Id": "fix"}).headers["x-cache"] == "hit"
        assert [run.result(5).status_code for run in runs] == [200, 200]
        assert get_trace(server, "fix").json()["request"]["messages"] == HELLO["messages"]
        eventually(lambda: get_trace(server, "join").json()["status"] == "completed")
        assert get_trace(server, "join").json()["request"]["messages"] == other["messages"]
