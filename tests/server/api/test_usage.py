"""`GET /v1/usage`, and the limits on tokens, over a real socket."""

import httpx
import pytest

from cogitate.server.auth.keys import create_key
from cogitate.strategies.core.scripted import ScriptedEngine
from tests.fakes.live_server import eventually, live

pytestmark = pytest.mark.live
VOTE = {"name": "self_consistency", "n": 4, "stop_rule": "none"}
BOXED = "so it is \\boxed{42}"


def create_limited_key(folder, limits):
    key = create_key(folder / "keys", "acme")
    (folder / "keys").write_text((folder / "keys").read_text().replace(" acme\n", f" acme {limits}\n"))
    return {"Authorization": f"Bearer {key}"}


def read_usage(server, headers):
    return httpx.get(f"{server.url}/v1/usage", headers=headers, timeout=5).raise_for_status().json()


def test_usage_is_the_bill_of_searches_and_of_plain_requests(tmp_path):
    headers = create_limited_key(tmp_path, "tokens_per_day=5000 requests_per_minute=10")
    with live(ScriptedEngine([BOXED]), api_keys_file=tmp_path / "keys") as server:
        bills = [
            server.ask(headers=headers, max_tokens=40, cache="no-store", **fields).json()["usage"]["completion_tokens"]
            for fields in ({"strategy": VOTE}, {})
        ]
        eventually(lambda: read_usage(server, headers)["tokens_per_day"]["used"] == sum(bills))
        usage = read_usage(server, headers)
    assert usage["object"] == "usage" and usage["tenant"] == "acme" and len(usage["key"]) == 8
    assert usage["requests_per_minute"]["used"] == 2 and usage["requests_per_minute"]["limit"] == 10
    assert usage["tokens_per_minute"] == {
        "used": sum(bills),
        "limit": None,
        "reset_seconds": usage["tokens_per_minute"]["reset_seconds"],
    }
    assert 86_000 < usage["tokens_per_day"]["reset_seconds"] <= 86_400
    assert usage["generations"] == {"in_flight": 0, "limit": None}


def test_stream_without_usage_counts_its_chunks(tmp_path):
    headers = create_limited_key(tmp_path, "tokens_per_day=5000")
    with live(ScriptedEngine([BOXED]), api_keys_file=tmp_path / "keys") as server:
        assert "[DONE]" in server.ask(headers=headers, max_tokens=40, stream=True).text
        eventually(lambda: 0 < read_usage(server, headers)["tokens_per_day"]["used"] <= 40)


@pytest.mark.parametrize("fields", [{"strategy": VOTE, "max_tokens": 100}, {"max_tokens": 400}])
def test_request_that_could_exceed_the_limit_waits_for_what_others_may_cost(tmp_path, fields):
    headers = create_limited_key(tmp_path, "tokens_per_minute=500")
    with live(ScriptedEngine([BOXED]), api_keys_file=tmp_path / "keys") as server:

        def wait_for_use(tokens):
            eventually(lambda: read_usage(server, headers)["tokens_per_minute"]["used"] == tokens)

        answer, used = server.ask(headers=headers, cache="no-store", **fields), 0
        while answer.status_code == 200:
            used += answer.json()["usage"]["completion_tokens"]
            wait_for_use(used)
            assert used <= 500
            answer = server.ask(headers=headers, cache="no-store", **fields)
        wait_for_use(used)  # what was refused is given back
    error = answer.json()["error"]
    assert used > 100 and (error["type"], error["code"]) == ("rate_limit_error", "rate_limit_exceeded")
    assert 1 <= int(answer.headers["retry-after"]) <= 60 and "500 tokens a minute" in error["message"]


def test_request_that_costs_more_than_the_limit_is_a_400_that_names_it(tmp_path):
    headers = create_limited_key(tmp_path, "tokens_per_minute=500")
    with live(ScriptedEngine([BOXED]), api_keys_file=tmp_path / "keys") as server:
        answer = server.ask(headers=headers, strategy=VOTE, max_tokens=200)
    assert answer.status_code == 400 and "500" in answer.json()["error"]["message"]


def test_answers_from_the_cache_and_joined_requests_cost_nothing(tmp_path):
    headers = create_limited_key(tmp_path, "tokens_per_minute=5000 generations=4")
    with live(ScriptedEngine([BOXED]), api_keys_file=tmp_path / "keys") as server:
        first = server.ask(headers=headers, strategy=VOTE, max_tokens=40)
        bill = first.json()["usage"]["completion_tokens"]
        eventually(lambda: read_usage(server, headers)["tokens_per_minute"]["used"] == bill)
        assert server.ask(headers=headers, strategy=VOTE, max_tokens=40).headers["x-cache"] == "hit"
        usage = read_usage(server, headers)
    assert usage["tokens_per_minute"]["used"] == bill and usage["generations"] == {"in_flight": 0, "limit": 4}


def test_without_keys_nothing_is_counted():
    with live(ScriptedEngine([BOXED])) as server:
        assert server.ask(max_tokens=40).status_code == 200
        usage = read_usage(server, {})
    assert usage["key"] == "" and usage["tokens_per_day"]["used"] == 0 and usage["max_cost"] is None


def test_usage_needs_a_key_where_there_are_keys(tmp_path):
    create_limited_key(tmp_path, "")
    with live(ScriptedEngine([BOXED]), api_keys_file=tmp_path / "keys") as server:
        assert httpx.get(f"{server.url}/v1/usage", timeout=5).status_code == 401
