"""A question that comes again with a larger n goes on from the samples of the first request, over the HTTP API."""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from cogitate.server.cache import RedisCache
from cogitate.strategies.core.ports import SampleFailed
from cogitate.strategies.core.scripted import ScriptedEngine
from tests.fakes.live_server import Live, eventually, live

pytest_plugins = ["tests.fakes.redis_server"]
SECRET = b"s" * 32
KEYS = {name: f"cog-{name}" for name in ("alice", "bob")}


def vote(n: int, **options: object) -> dict[str, object]:
    return {"name": "self_consistency", "n": n, "stop_rule": "none", **options}


def box(*answers: int) -> list[str]:
    return [f"so \\boxed{{{answer}}}" for answer in answers]


def ask(
    server: Live, n: int = 8, tenant: str = "", strategy: dict[str, object] | None = None, **fields: object
) -> dict:
    """Ask, wait until the samples are kept, and return the response with the number of new decodes as `decodes`."""
    before = len(server.engine.calls)
    headers = {"Authorization": f"Bearer {KEYS[tenant]}"} if tenant else None
    response = server.ask(headers=headers, strategy=strategy or vote(n), **fields)
    assert response.status_code == 200, response.text
    eventually(lambda: not server.service.jobs.background)
    return response.json() | {"decodes": len(server.engine.calls) - before}


@contextmanager
def redis_pair(url: str, secret_file: Path | None = None) -> Iterator[tuple[Live, Live]]:
    """Two servers over one Redis."""
    secret = None if secret_file is None else SECRET
    if secret_file:
        secret_file.write_bytes(SECRET)
    caches = [RedisCache(url, ttl=60, on_fault=lambda kind: None, secret=secret, timeout=5) for _ in range(2)]
    with (
        live(ScriptedEngine(box(1)), cache=caches[0], cache_secret_file=secret_file) as one,
        live(ScriptedEngine(box(2)), cache=caches[1], cache_secret_file=secret_file) as two,
    ):
        yield one, two


def test_n_16_after_n_8_draws_8_more_and_votes_over_16():
    with live(ScriptedEngine([*box(1) * 8, *box(2) * 8])) as server:
        first = ask(server, 8)
        second = ask(server, 16, strategy=vote(16, return_candidates=True))
        trace = server.http.get(f"{server.url}/v1/traces/{second['cogitate']['trace_id']}").json()
    assert (first["decodes"], second["decodes"]) == (8, 8)
    assert "reused" not in first["cogitate"]
    told = second["cogitate"]
    assert (told["candidates"], told["reused"], told["agreement"]) == (16, 8, 0.5)
    assert [sample.get("reused", False) for sample in told["samples"]].count(True) == 8
    assert second["usage"]["completion_tokens"] == first["usage"]["completion_tokens"]  # 8 samples each
    decodes = [event for event in trace["events"] if event["kind"] == "decode" and not event["aborted"]]
    assert [event.get("reused", False) for event in decodes].count(True) == 8 and len(decodes) == 16
    assert trace["usage"]["completion_tokens"] == second["usage"]["completion_tokens"]


def test_request_that_draws_nothing_is_billed_nothing():
    with live(ScriptedEngine(box(1))) as server:
        ask(server, 8)
        second = ask(server, 4)
    assert second["decodes"] == 0 and second["usage"]["total_tokens"] == 0
    assert second["choices"][0]["message"]["content"] == "so \\boxed{1}"


def test_third_request_goes_on_from_both():
    with live(ScriptedEngine(box(1, 2, 3))) as server:
        assert [ask(server, n)["decodes"] for n in (2, 5, 9)] == [2, 3, 4]


def test_stream_reports_which_samples_are_old():
    with live(ScriptedEngine(box(1))) as server:
        ask(server, 3)
        text = server.ask(strategy=vote(5), stream=True, stream_options={"include_progress": True}).text
    assert text.count('"reused":true') == 3 and '"reused":3' in text


def test_samples_of_a_decided_vote_are_kept_and_the_next_request_goes_on_from_them():
    with live(ScriptedEngine(box(1))) as server:
        decided = ask(server, strategy={"name": "self_consistency", "n": 16})
        assert decided["cogitate"]["stopped"] == "decided"
        assert ask(server, 16)["decodes"] == 16 - decided["cogitate"]["candidates"]


def test_another_strategy_draws_samples_of_its_own():
    with live(ScriptedEngine(box(1))) as server:
        ask(server, 6, temperature=0.7)
        other = ask(server, strategy={"name": "best_of_n", "n": 6, "verifier": "programmatic"}, temperature=0.7)
    assert other["decodes"] == 6 and not other["cogitate"].get("reused")


@pytest.mark.parametrize(
    "fields",
    [
        {"temperature": 0.9},
        {"seed": 7},
        {"max_tokens": 99},
        {"top_p": 0.5},
        {"stop": ["x"]},
        {"messages": [{"role": "user", "content": "What is 6*8?"}]},
        {"strategy": vote(16, instruction="Hurry.")},
        {"cache": "no-store"},
        {"cache": "refresh"},
    ],
    ids=str,
)
def test_another_sampling_or_prompt_shares_nothing(fields):
    with live(ScriptedEngine(box(1))) as server:
        ask(server, 8)
        assert ask(server, 16, **fields)["decodes"] == 16


@pytest.mark.parametrize("seed", [0, 7, -1])
def test_seeded_samples_are_neither_kept_nor_topped_up(seed):
    with live(ScriptedEngine(box(1))) as server:
        assert [ask(server, n, seed=seed)["decodes"] for n in (8, 16)] == [8, 16]
        assert ask(server, 16)["decodes"] == 16


def test_no_store_keeps_nothing():
    with live(ScriptedEngine(box(1))) as server:
        ask(server, 8, cache="no-store")
        assert ask(server, 16)["decodes"] == 16


def test_refresh_replaces_what_is_kept():
    with live(ScriptedEngine([*box(1) * 8, *box(2) * 4])) as server:
        ask(server, 8)
        ask(server, 4, cache="refresh")
        third = ask(server, 6)
    assert third["decodes"] == 2 and third["cogitate"]["answer"] == "2"


def test_failed_samples_are_drawn_anew_and_cut_off_ones_are_not():
    replies = ["word " * 50, SampleFailed("gone"), *box(1) * 14]
    with live(ScriptedEngine(replies)) as server:
        ask(server, 8, max_tokens=20)
        assert ask(server, 8, strategy=vote(8, confidence=0.9), max_tokens=20)["decodes"] == 1


def test_samples_under_a_budget_are_not_kept_and_those_that_are_kept_are_used_under_one():
    with live(ScriptedEngine(box(1))) as server:
        assert ask(server, 4, budget={"tokens": 2000})["decodes"] == 4
        assert ask(server, 8)["decodes"] == 8
        assert ask(server, 16, budget={"tokens": 4000})["decodes"] == 8


def test_tenants_share_no_samples(tmp_path):
    keys = tmp_path / "keys"
    keys.write_text("".join(f"{hashlib.sha256(key.encode()).hexdigest()} {name}\n" for name, key in KEYS.items()))
    with live(ScriptedEngine(box(1)), api_keys_file=keys) as server:
        assert ask(server, 8, "alice")["decodes"] == 8
        assert ask(server, 16, "bob")["decodes"] == 16
        assert ask(server, 16, "alice")["decodes"] == 8


@pytest.mark.parametrize("secret", [False, True])
def test_another_process_goes_on_from_the_samples_in_redis(redis_server, tmp_path, secret):
    with redis_pair(redis_server.url, tmp_path / "secret" if secret else None) as (one, two):
        assert ask(one, 8)["decodes"] == 8
        second = ask(two, 16)
    assert second["decodes"] == 8 and second["cogitate"]["reused"] == 8


def test_samples_in_redis_are_encrypted_and_have_a_time_to_live(redis_server, tmp_path):
    with redis_pair(redis_server.url, tmp_path / "secret") as (server, _):
        ask(server, 8)
        (name,) = [name for name in redis_server.do("KEYS", "*") if b":samples:" in name]
        assert b"boxed" not in redis_server.do("GET", name) and 0 < redis_server.do("TTL", name) <= 60


def test_damaged_samples_in_redis_are_a_miss(redis_server):
    with redis_pair(redis_server.url) as (one, two):
        ask(one, 8)
        (name,) = [name for name in redis_server.do("KEYS", "*") if b":samples:" in name]
        value = redis_server.do("GET", name)
        redis_server.do("SET", name, value[:-9] + b"forged!!!")
        assert ask(two, 16)["decodes"] == 16
