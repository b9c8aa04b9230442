"""Bearer authentication over a real socket: closed routes, reloading of keys, separation of tenants."""

import hashlib

import httpx
import openai
import pytest

from cogitate.server.auth.keys import create_key
from cogitate.strategies.core.scripted import ScriptedEngine
from tests.fakes.live_server import live
from tests.server.test_errors import envelope

pytestmark = pytest.mark.live


@pytest.fixture
def keys_file(tmp_path):
    path = tmp_path / "keys"
    path.write_text(f"# comment\n{hashlib.sha256(b'good').hexdigest()} team  # theirs\n")
    return path


def test_only_health_and_the_page_are_served_without_a_key(keys_file):
    with live(ScriptedEngine(["x"]), api_keys_file=keys_file) as server:
        for path in ("/v1/models", "/metrics", "/openapi.json", "/v1/strategies", "/nothing"):
            response = httpx.get(server.url + path)
            assert response.status_code == 401 and envelope(response)["code"] == "invalid_api_key"
            assert response.headers["www-authenticate"] == "Bearer"
        assert httpx.get(f"{server.url}/health/live").status_code == 200
        assert httpx.get(f"{server.url}/health/ready").status_code == 200
        for path in ("/health", "/", "/docs", "/page/main.mjs"):
            assert httpx.get(server.url + path).status_code == 200
        assert server.engine.calls == []


def test_keys_file_is_reloaded_and_a_broken_file_locks_nobody_out(keys_file):
    with live(ScriptedEngine(["x"]), api_keys_file=keys_file) as server:
        with pytest.raises(openai.AuthenticationError) as refused:
            server.client("bad").models.list()
        assert refused.value.code == "invalid_api_key"
        assert server.client("good").models.list().data
        for header in ("good", "Basic good", "Bearer", "Bearer \xff", "Bearer " + "x" * 10_000):
            sent = {"Authorization": header.encode("latin-1")}
            assert httpx.get(f"{server.url}/v1/models", headers=sent).status_code == 401
        keys_file.write_text(f"{hashlib.sha256(b'other').hexdigest()} team-two\n")
        with pytest.raises(openai.AuthenticationError):
            server.client("good").models.list()
        assert server.client("other").models.list().data
        for broken in (lambda: keys_file.write_text("nonsense"), keys_file.unlink):
            broken()
            assert server.client("other").models.list().data


def test_tenants_do_not_share_cached_answers(keys_file):
    keys_file.write_text("".join(f"{hashlib.sha256(k).hexdigest()} {k.decode()}\n" for k in (b"one", b"two")))
    with live(ScriptedEngine(["\\boxed{42}"]), api_keys_file=keys_file) as server:
        hits = [
            server.ask(strategy="chain_of_thought", headers={"Authorization": f"Bearer {key}"}).headers.get("x-cache")
            for key in ("one", "two", "one", "two")
        ]
    assert hits == [None, None, "hit", "hit"]


def test_wrong_keys_are_rate_limited_per_address_and_valid_keys_are_not(tmp_path):
    key = create_key(tmp_path / "keys", "acme")
    with live(ScriptedEngine(["x"]), api_keys_file=tmp_path / "keys") as server:
        wrong = [server.ask(headers={"Authorization": f"Bearer cog-{at}"}) for at in range(25)]
        assert [answer.status_code for answer in wrong] == [401] * 20 + [429] * 5
        assert server.ask(headers={"Authorization": f"Bearer {key}"}).status_code == 200
