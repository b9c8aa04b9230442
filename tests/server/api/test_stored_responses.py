"""Responses that are stored: fetched, continued, deleted, and seen by their tenant only."""

import httpx
import openai
import pytest

from cogitate.server.auth.keys import create_key
from cogitate.strategies.core.scripted import ScriptedEngine
from tests.fakes.live_server import eventually, live
from tests.server.api.responses_client import QUESTION, ask, events

pytestmark = pytest.mark.live
VOTE = {"name": "self_consistency", "n": 1, "instruction": ""}
PATHS = pytest.mark.parametrize("path", [{}, {"strategy": VOTE}], ids=["plain", "strategy"])
BOXED = "so it is \\boxed{42}"


def answers(*texts, pace=0.0):
    return ScriptedEngine(texts or [BOXED], pace=pace)


def fetch(server, response_id, method="GET", query="", **headers):
    return httpx.request(method, f"{server.url}/v1/responses/{response_id}{query}", headers=headers)


@PATHS
@pytest.mark.parametrize("stream", [False, True])
def test_store_true_keeps_a_response_and_the_default_does_not(stream, path):
    with live(answers()) as server:
        for store in (True, False, None):
            sent = ask(server, store=store, stream=stream, cache="no-store", **path)
            response = events(sent)[-1]["response"] if stream else sent.json()
            assert response["store"] is bool(store)
            found = fetch(server, response["id"])
            assert (found.json() == response) if store else (found.status_code == 404)


@PATHS
def test_previous_response_id_continues_the_conversation(path):
    with live(answers("one", "two", "three")) as server:
        client = server.client()
        first = client.responses.create(
            model="scripted", input="1?", store=True, instructions="Be brief.", extra_body=path
        )
        second = client.responses.create(
            model="scripted",
            input=[{"role": "user", "content": "2?"}],
            store=True,
            previous_response_id=first.id,
            extra_body=path,
        )
        third = client.responses.create(
            model="scripted", input="3?", previous_response_id=second.id, background=True, extra_body=path
        )
        eventually(lambda: client.responses.retrieve(third.id).output_text == "three")
        prompt, _ = server.engine.calls[2]
    assert second.previous_response_id == first.id and third.previous_response_id == second.id
    turns = [(message.role, message.text) for message in prompt.messages]
    assert turns == [
        ("user", "1?"),
        ("assistant", "one"),
        ("user", "2?"),
        ("assistant", "two"),
        ("user", "3?"),
    ]


def test_cached_answer_is_shared_with_the_same_conversation_sent_completely():
    with live(answers()) as server:
        first = ask(server, store=True, strategy=VOTE).json()
        turns = [{"role": "user", "content": QUESTION}, *first["output"], {"role": "user", "content": "Sure?"}]
        ask(server, input=turns, strategy=VOTE)
        again = ask(server, input="Sure?", previous_response_id=first["id"], strategy=VOTE)
        assert again.headers["x-cache"] == "hit"


def test_reasoning_that_was_cut_off_is_left_out_of_the_continued_conversation():
    with live(answers("one two three \\boxed{4}", "ok")) as server:
        strategy = {"name": "chain_of_thought", "reasoning": "separate", "instruction": ""}
        first = ask(server, store=True, strategy=strategy).json()
        assert [item["type"] for item in first["output"]] == ["reasoning", "message"]
        again = ask(server, input="Sure?", previous_response_id=first["id"], strategy=VOTE)
        assert again.status_code == 200, again.text


def test_response_that_is_not_stored_cannot_be_continued():
    with live(answers()) as server:
        unknown = ask(server).json()["id"]
        for name in (unknown, "resp_1", "x"):
            refused = ask(server, previous_response_id=name)
            error = refused.json()["error"]
            assert (refused.status_code, error["param"]) == (404, "previous_response_id")
            assert error["code"] == "previous_response_not_found" and "store" in error["message"]


def test_response_without_an_answer_cannot_be_continued():
    with live(answers(pace=30)) as server:
        running = ask(server, background=True).json()["id"]
        refused = ask(server, previous_response_id=running)
        assert refused.status_code == 400 and refused.json()["error"]["param"] == "previous_response_id"


def test_conversation_that_is_too_long_is_refused():
    with live(answers(), max_body_bytes=2000) as server:
        first = ask(server, store=True, input="x" * 1500).json()["id"]
        refused = ask(server, input="y" * 1500, previous_response_id=first)
        assert refused.status_code == 400 and "2000 bytes" in refused.json()["error"]["message"]


def test_response_is_deleted_once():
    with live(answers()) as server:
        client = server.client()
        stored = ask(server, store=True).json()["id"]
        client.responses.delete(stored)
        with pytest.raises(openai.NotFoundError):
            client.responses.delete(stored)
        assert fetch(server, stored).status_code == 404


def test_deleting_a_running_response_cancels_it():
    with live(answers(pace=30)) as server:
        running = ask(server, background=True, strategy=VOTE).json()["id"]
        eventually(lambda: server.engine.running)
        deleted = fetch(server, running, "DELETE").json()
        assert deleted == {"id": running, "object": "response", "deleted": True}
        eventually(lambda: server.engine.running == 0 and not server.service.jobs.background)
        assert fetch(server, running).status_code == 404


def test_tenant_reaches_only_its_own_responses(tmp_path):
    keys = tmp_path / "keys"
    mine, colleague, other = ({"Authorization": f"Bearer {create_key(keys, tenant)}"} for tenant in ("a", "a", "b"))
    with live(answers(pace=30), api_keys_file=keys) as server:
        running = ask(server, mine, background=True, stream=False, strategy=VOTE).json()["id"]
        assert fetch(server, running, **other).status_code == 404
        assert fetch(server, running, query="?stream=true", **other).status_code == 404
        assert fetch(server, f"{running}/cancel", "POST", **other).status_code == 404
        assert fetch(server, running, "DELETE", **other).status_code == 404
        continued = ask(server, other, previous_response_id=running).json()["error"]
        assert continued["code"] == "previous_response_not_found"
        assert fetch(server, running, **mine).json()["status"] in ("queued", "in_progress")
        assert fetch(server, f"{running}/cancel", "POST", **colleague).json()["status"] == "cancelled"
        assert fetch(server, running).status_code == 401


@pytest.mark.parametrize(
    ("query", "param"),
    [
        ("?stream=perhaps", "stream"),
        ("?stream=true&starting_after=-1", "starting_after"),
        ("?stream=true&starting_after=x", "starting_after"),
        ("?starting_after=3", "starting_after"),
        ("?include=usage", "include"),
        ("?stream=true", "stream"),
    ],
)
def test_wrong_query_is_named(query, param):
    with live(answers()) as server:
        stored = ask(server, store=True).json()["id"]
        refused = fetch(server, stored, query=query)
        assert (refused.status_code, refused.json()["error"]["param"]) == (400, param), refused.text


@pytest.mark.parametrize("response_id", ["resp_0", "x" * 3000, "%00", "..%2fx", "é"])
@pytest.mark.parametrize(("method", "suffix"), [("GET", ""), ("DELETE", ""), ("POST", "/cancel")])
def test_unknown_id_is_not_found(response_id, method, suffix):
    with live(answers()) as server:
        sent = fetch(server, response_id + suffix, method)
        assert sent.status_code == 404 and sent.json()["error"]["message"]


def test_stored_responses_are_bounded_in_bytes():
    with live(answers(), cache_bytes=20_000) as server:
        made = [ask(server, store=True, input=f"{number} {'x' * 1000}").json()["id"] for number in range(12)]
        statuses = [fetch(server, each).status_code for each in made]
    assert statuses[0] == 404 and statuses[-1] == 200
