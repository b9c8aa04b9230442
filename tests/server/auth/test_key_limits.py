"""Limits of API keys: parsing of the keys file, reloading, and enforcement over a real socket."""

import hashlib

import httpx
import pytest

from cogitate.server.auth.key_limits import InvalidKeyLimits, KeyLimits
from cogitate.server.auth.keys import InvalidKeysFile, parse_keys
from cogitate.strategies.core.scripted import ScriptedEngine
from tests.fakes.live_server import eventually, live

KEY = "cog-test"
DIGEST = hashlib.sha256(KEY.encode()).hexdigest()
VOTE = {"name": "self_consistency", "n": 4, "stop_rule": "none"}
HEADERS = {"Authorization": f"Bearer {KEY}"}


@pytest.mark.parametrize(
    "words",
    ["generations=0", "generations=-1", "generations=x", "generations", "max_cost=1e9", "strategies=magic"]
    + ["strategies=", "code=yes", "colour=red", "=", "max_cost=1 max_cost=2"],
)
def test_malformed_limits_are_rejected(words):
    with pytest.raises(InvalidKeyLimits):
        KeyLimits.parse(words.split())
    with pytest.raises(InvalidKeysFile, match="line 1"):
        parse_keys(f"{DIGEST} acme {words}")


@pytest.fixture
def keys(tmp_path):
    def write(limits=""):
        (tmp_path / "keys").write_text(f"{DIGEST} acme {limits}\n")
        return tmp_path / "keys"

    return write


@pytest.mark.live
def test_requests_per_minute_of_a_key_are_limited(keys):
    with live(ScriptedEngine(["x"]), api_keys_file=keys("requests_per_minute=3")) as server:
        answers = [server.ask(headers=HEADERS) for _ in range(5)]
        assert [answer.status_code for answer in answers] == [200, 200, 200, 429, 429]
        assert int(answers[-1].headers["retry-after"]) >= 1 and len(server.engine.calls) == 3
        assert httpx.get(f"{server.url}/v1/models", headers=HEADERS).status_code == 200


@pytest.mark.live
def test_generations_in_flight_of_a_key_are_limited(keys):
    with live(ScriptedEngine(["x"], pace=30), api_keys_file=keys("generations=4")) as server:
        assert server.ask(headers=HEADERS, strategy=VOTE | {"n": 5}).status_code == 400 and not server.engine.calls
        with httpx.stream("POST", f"{server.url}/v1/chat/completions", headers=HEADERS, timeout=5, json={
            "model": "scripted", "messages": [{"role": "user", "content": "hi"}], "strategy": VOTE, "stream": True,
        }):  # fmt: skip
            eventually(lambda: server.engine.running == 4)
            assert server.ask(headers=HEADERS).status_code == 429
        eventually(lambda: server.engine.running == 0)


@pytest.mark.live
def test_strategy_with_fewer_slots_than_samples_stays_within_the_keys_generations(keys):
    engine = ScriptedEngine([f"\\boxed{{{answer}}}" for answer in range(16)], pace=0.005)
    with live(engine, api_keys_file=keys("generations=3")) as server:
        answered = server.ask(headers=HEADERS, strategy={"name": "self_consistency", "n": 16})
        assert answered.status_code == 200 and answered.json()["cogitate"]["candidates"] > 8
        assert server.ask(headers=HEADERS, strategy=VOTE | {"concurrency": 2}).status_code == 200
    assert engine.peak_running == 3


@pytest.mark.live
@pytest.mark.parametrize(
    ("fields", "param", "words"),
    [
        ({"n": 3}, "n", "needs 3 generations in flight at once, and this key may have 2: lower n."),
        ({"strategy": VOTE}, "strategy.n", "set its concurrency to 2 or less, or lower its n"),
        ({"model": "scripted@best_of_n"}, "strategy.n", "may have 2: lower its n."),
        ({"strategy": VOTE | {"concurrency": 4}}, "strategy.concurrency", "set its concurrency to 2 or less"),
        ({"strategy": VOTE | {"weights": "p_true"}}, "strategy.n", "may have 2: lower its n."),
    ],
)
def test_request_that_exceeds_the_keys_generations_is_a_400_with_a_remedy(keys, fields, param, words):
    with live(ScriptedEngine(["x"]), api_keys_file=keys("generations=2")) as server:
        refused = server.ask(headers=HEADERS, **fields)
        error = refused.json()["error"]
        assert (refused.status_code, error["param"]) == (400, param) and words in error["message"]
        assert "retry-after" not in refused.headers and not server.engine.calls


@pytest.mark.live
def test_more_prompts_than_the_keys_generations_are_a_400(keys):
    with live(ScriptedEngine(["x"]), api_keys_file=keys("generations=2")) as server:
        body = {"model": "scripted", "prompt": ["a", "b", "c"]}
        refused = server.http.post(f"{server.url}/v1/completions", json=body, headers=HEADERS)
    assert (refused.status_code, refused.json()["error"]["param"]) == (400, "prompt")


@pytest.mark.live
def test_cost_and_strategies_of_a_key_are_limited(keys):
    with live(ScriptedEngine(["\\boxed{1}"]), api_keys_file=keys("max_cost=100 strategies=self_consistency")) as server:
        costly = server.ask(headers=HEADERS, strategy=VOTE, max_tokens=26)
        assert (costly.status_code, costly.json()["error"]["code"]) == (400, "cost_exceeded")
        assert "104" in costly.json()["error"]["message"] and "100" in costly.json()["error"]["message"]
        other = server.ask(headers=HEADERS, strategy="best_of_n", max_tokens=1)
        assert (other.status_code, other.json()["error"]["code"]) == (403, "permission_denied")
        assert not server.engine.calls
        assert server.ask(headers=HEADERS, strategy=VOTE, max_tokens=25).status_code == 200


@pytest.mark.live
def test_changes_of_the_keys_file_take_effect_at_once(keys):
    path = keys()
    with live(ScriptedEngine(["\\boxed{1}"]), api_keys_file=path) as server:
        assert server.ask(headers=HEADERS, strategy=VOTE).status_code == 200
        keys("strategies=best_of_n")
        assert server.ask(headers=HEADERS, strategy=VOTE).status_code == 403
        path.write_text("# nobody\n")
        assert server.ask(headers=HEADERS, strategy=VOTE).status_code == 401
