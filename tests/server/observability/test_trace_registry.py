"""Every trace_id that is told leads to a trace: of a cached or repeated answer to that of the search that found it."""

from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from cogitate.server.auth.keys import create_key
from cogitate.server.observability.trace_origin import MOST, Borrowed, Borrowings
from tests.fakes.live_server import HELLO, eventually, live
from tests.fakes.scripted import ScriptedEngine

VOTE = {"name": "self_consistency", "n": 4, "stop_rule": "none"}


def engine(pace=0.0):
    return ScriptedEngine(["so it is \\boxed{42}"], pace=pace)


def traced(server, name, **headers):
    return httpx.get(f"{server.url}/v1/traces/{name}", timeout=5, headers=headers)


@pytest.mark.live
def test_a_hit_is_told_by_the_search_that_found_it_however_it_was_answered():
    with live(engine()) as server:
        asked = [server.ask(strategy=VOTE) for _ in range(4)]
        assert [answer.headers.get("x-cache") for answer in asked] == [None] + ["hit"] * 3
        names = [answer.json()["cogitate"]["trace_id"] for answer in asked]
        assert names == [answer.headers["x-request-id"] for answer in asked] and len(set(names)) == 4
        told = [traced(server, name).json() for name in names]
    assert all(trace == told[0] for trace in told) and told[0]["status"] == "completed"
    assert told[0]["request"]["messages"] == HELLO["messages"]
    assert len([event for event in told[0]["events"] if event["event"] == "sampled"]) == 4


@pytest.mark.live
def test_where_that_is_told_no_more_it_says_that_it_was_cached():
    with live(engine()) as server:
        server.ask(strategy=VOTE, headers={"X-Request-Id": "found"})
        server.ask(strategy=VOTE, headers={"X-Request-Id": "hit"})
        server.ask(strategy="chain_of_thought", headers={"X-Request-Id": "found"})
        told = traced(server, "hit").json()
        assert traced(server, "found").json()["strategy"]["name"] == "chain_of_thought"
    assert (told["id"], told["status"], told["strategy"]["n"]) == ("hit", "cached", 4)
    assert told["request"] is None and told["events"] == [] and not any(told["usage"].values())


@pytest.mark.live
def test_a_name_that_is_used_again_is_that_of_the_last_request():
    with live(engine()) as server:
        for _ in range(2):
            server.ask(strategy=VOTE, headers={"X-Request-Id": "mine"})
        assert traced(server, "mine").json()["status"] == "completed"
        server.ask(strategy=VOTE | {"n": 2}, headers={"X-Request-Id": "mine"})
        assert traced(server, "mine").json()["strategy"]["n"] == 2


@pytest.mark.live
@pytest.mark.parametrize("cache", ["default", "no-store"])
@pytest.mark.parametrize("stream", [False, True])
def test_so_is_a_repeat_by_its_own_name_and_by_that_in_the_answer(cache, stream):
    with live(engine()) as server:
        server.ask(strategy=VOTE, cache=cache, headers={"X-Request-Id": "found"})
        for name in ("first", "second"):
            asked = {"strategy": VOTE, "cache": cache, "stream": stream}
            server.ask(headers={"X-Request-Id": name, "Idempotency-Key": "k"}, **asked)
        told = [traced(server, name) for name in ("first", "second")]
        assert told[0].json() == told[1].json() and told[0].json()["status"] == "completed"
        assert len(server.engine.calls) == (4 if cache == "default" else 8)


@pytest.mark.live
def test_who_waits_for_anothers_search_sees_it_run():
    with live(engine(pace=0.1)) as server, ThreadPoolExecutor(2) as pool:
        asks = [pool.submit(server.ask, strategy=VOTE, headers={"X-Request-Id": name}) for name in "ab"]
        eventually(lambda: all(traced(server, name).status_code == 200 for name in "ab"))
        assert {traced(server, name).json()["status"] for name in "ab"} == {"running"}
        assert [ask.result(5).status_code for ask in asks] == [200, 200]
        assert traced(server, "a").json() == traced(server, "b").json()


@pytest.mark.live
def test_what_was_asked_is_told_to_the_key_that_asked_first_and_nothing_to_other_tenants(tmp_path):
    keys = tmp_path / "keys"
    mine, colleague, other = ({"Authorization": f"Bearer {create_key(keys, tenant)}"} for tenant in ("a", "a", "b"))
    with live(engine(), api_keys_file=keys) as server:
        for by, name in ((mine, "found"), (colleague, "hit"), (mine, "own")):
            answer = server.ask(strategy=VOTE, headers={"X-Request-Id": name, **by})
        number = answer.json()["id"]
        assert traced(server, "own", **mine).json()["request"]["messages"]
        assert traced(server, "hit", **colleague).json()["request"] is None
        assert traced(server, "hit", **colleague).json()["events"]
        assert {traced(server, name, **other).status_code for name in ("found", "hit", "own", number)} == {404}


@pytest.mark.live
def test_a_plain_answer_has_no_search_to_tell():
    with live(engine()) as server:
        for name in "ab":
            server.ask(temperature=0, headers={"X-Request-Id": name})
        assert {traced(server, name).status_code for name in "ab"} == {404}


def test_they_are_bounded():
    borrowings = Borrowings()
    for at in range(MOST + 3):
        borrowings.keep(("", str(at)), Borrowed("n", 0, "m", None))
    assert len(borrowings.kept) == MOST and borrowings.find(("", "0")) is None
    kept = ("", str(MOST))
    assert borrowings.find(kept).number == "n"
    borrowings.kept[kept] = Borrowed("n", 0, "m", None), 0.0
    assert borrowings.find(kept) is None


@pytest.mark.live
@pytest.mark.parametrize("key", [{}, {"Idempotency-Key": "k"}])
def test_a_request_that_is_sent_again_under_its_name_keeps_its_trace(key):
    with live(engine(pace=0.05)) as server, ThreadPoolExecutor(2) as pool:
        asks = [pool.submit(server.ask, strategy=VOTE, headers={"X-Request-Id": "again", **key}) for _ in range(2)]
        assert [ask.result(5).status_code for ask in asks] == [200, 200] and len(server.engine.calls) == 4
        eventually(lambda: traced(server, "again").json()["status"] == "completed")
        assert traced(server, "again").json()["usage"]["completion_tokens"] == server.engine.decoded


@pytest.mark.live
def test_a_hit_under_the_name_of_a_search_that_runs_takes_nothing_from_that():
    """Of one name the last request counts; who joins the other by a name of its own is told of that."""
    other = {"messages": [{"role": "user", "content": "What is 2 + 2?"}]}
    with live(engine(pace=0.1)) as server, ThreadPoolExecutor(2) as pool:
        server.ask(strategy=VOTE)
        runs = [
            pool.submit(server.ask, strategy=VOTE, headers={"X-Request-Id": name}, **other) for name in ("fix", "join")
        ]
        eventually(lambda: all(traced(server, name).status_code == 200 for name in ("fix", "join")))
        assert server.ask(strategy=VOTE, headers={"X-Request-Id": "fix"}).headers["x-cache"] == "hit"
        assert [run.result(5).status_code for run in runs] == [200, 200]
        assert traced(server, "fix").json()["request"]["messages"] == HELLO["messages"]
        eventually(lambda: traced(server, "join").json()["status"] == "completed")
        assert traced(server, "join").json()["request"]["messages"] == other["messages"]
