"""Responses in the background at two servers over one real Redis: fetched, followed and cancelled at either."""

import httpx
import pytest
import redis as redis_client

from cogitate.server.auth.keys import create_key
from tests.fakes.live_server import eventually
from tests.server.api.responses_client import ask, events
from tests.server.serving.test_peers import answering, run_servers

pytest_plugins = ["tests.fakes.redis_server"]
pytestmark = pytest.mark.live
VOTE = {"name": "self_consistency", "n": 2, "stop_rule": "none"}
PATHS = pytest.mark.parametrize("path", [{}, {"strategy": VOTE}], ids=["plain", "strategy"])


def fetch(server, response_id, method="GET", suffix="", **headers):
    return httpx.request(method, f"{server.url}/v1/responses/{response_id}{suffix}", headers=headers, timeout=10)


def has_status(server, response_id, status):
    return fetch(server, response_id).json().get("status") == status


@PATHS
def test_response_is_fetched_at_another_server(redis_url, path):
    with run_servers(redis_url, answering(1, pace=0.1), answering(2)) as (first, second):
        created = ask(first, background=True, **path).json()["id"]
        eventually(lambda: has_status(second, created, "in_progress"))
        eventually(lambda: has_status(second, created, "completed"))
        assert fetch(second, created).json() == fetch(first, created).json()
        assert second.engine.calls == []


@PATHS
def test_stream_is_resumed_at_another_server_while_it_runs_and_after_it(redis_url, path):
    with run_servers(redis_url, answering(1, pace=0.1), answering(2)) as (first, second):
        url = f"{first.url}/v1/responses"
        body = {"model": "scripted", "input": "?", "background": True, "stream": True} | path
        with httpx.stream("POST", url, json=body) as sent:
            text = next(sent.iter_text())
        created = "resp_" + text.partition('"resp_')[2][:32]
        eventually(lambda: fetch(second, created).status_code == 200)
        live = fetch(second, created, suffix="?stream=true")
        assert live.text == fetch(first, created, suffix="?stream=true").text
        read = events(live)
        assert read[-1]["type"] == "response.completed"
        assert events(fetch(second, created, suffix="?stream=true&starting_after=2")) == read[3:]


@PATHS
def test_response_is_cancelled_at_another_server(redis_url, path):
    with run_servers(redis_url, answering(1, pace=30), answering(2)) as (first, second):
        created = ask(first, background=True, **path).json()["id"]
        eventually(lambda: first.engine.running and fetch(second, created).status_code == 200)
        assert fetch(second, created, "POST", "/cancel").json()["status"] == "cancelled"
        eventually(lambda: first.engine.running == 0)
        assert has_status(first, created, "cancelled") and has_status(second, created, "cancelled")


def test_response_is_deleted_everywhere(redis_url):
    with run_servers(redis_url, answering(1, pace=30), answering(2)) as (first, second):
        running = ask(first, background=True, stream=False, strategy=VOTE).json()["id"]
        stored = ask(second, store=True).json()["id"]
        eventually(lambda: first.engine.running and fetch(second, running).status_code == 200)
        assert fetch(first, stored).status_code == 200
        for response_id, here in ((running, second), (stored, first)):
            assert fetch(here, response_id, "DELETE").json()["deleted"] is True
            eventually(lambda: not any(server.service.jobs.background for server in (first, second)))
            assert [fetch(server, response_id).status_code for server in (first, second)] == [404, 404]
        assert first.engine.running == 0


def test_conversation_is_continued_at_another_server(redis_url):
    with run_servers(redis_url, answering(1), answering(2)) as (first, second):
        stored = ask(first, store=True, strategy=VOTE).json()
        continued = ask(second, previous_response_id=stored["id"], input="Sure?", strategy=VOTE)
        assert continued.json()["previous_response_id"] == stored["id"]
        prompt, _ = second.engine.calls[0]
        assert [message.role for message in prompt.messages] == ["user", "assistant", "user"]


def test_another_tenant_reaches_nothing_at_another_server(redis_url, tmp_path):
    keys = tmp_path / "keys"
    mine, other = ({"Authorization": f"Bearer {create_key(keys, tenant)}"} for tenant in ("a", "b"))
    with run_servers(redis_url, answering(1, pace=30), answering(2), api_keys_file=keys) as (first, second):
        created = ask(first, mine, background=True, strategy=VOTE).json()["id"]
        eventually(lambda: fetch(second, created, **mine).status_code == 200)
        for method, suffix in (("GET", ""), ("GET", "?stream=true"), ("POST", "/cancel"), ("DELETE", "")):
            assert fetch(second, created, method, suffix, **other).status_code == 404
        assert fetch(second, created, "POST", "/cancel", **mine).json()["status"] == "cancelled"


@pytest.mark.parametrize("stream", [False, True])
def test_another_server_answers_an_idempotency_key_with_the_same_response(redis_url, stream):
    with run_servers(redis_url, answering(1, pace=0.05), answering(2)) as servers:
        body = {"background": True, "strategy": VOTE, "stream": stream, "cache": "no-store"}
        one, two = (ask(server, {"Idempotency-Key": "k"}, **body) for server in servers)
        assert one.content == two.content and servers[1].engine.calls == []


def test_responses_in_redis_expire_and_reveal_nothing(redis_server):
    with run_servers(redis_server.url, answering(1), answering(2)) as (first, second):
        created = ask(first, background=True, stream=True, input="What is 6*7?", strategy=VOTE, cache="no-store")
        response_id = events(created)[0]["response"]["id"]
        eventually(lambda: has_status(second, response_id, "completed"))
        eventually(lambda: not first.service.jobs.background)
        with redis_client.Redis.from_url(redis_server.url) as store:
            names = store.keys("*response:*")
            assert names and all(0 < store.ttl(name) <= 3600 for name in names)
            content = b"".join([*names, *store.mget(names)])
            assert b"boxed" not in content and b"What is" not in content and response_id.encode() not in content


def test_response_ends_although_redis_does_not_respond(redis_server):
    with run_servers(redis_server.url, answering(1, pace=0.05)) as (first,):
        created = ask(first, background=True, strategy=VOTE, cache="no-store").json()["id"]
        redis_server.stop()
        try:
            eventually(lambda: has_status(first, created, "completed"))
        finally:
            redis_server.cont()
