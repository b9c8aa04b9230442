"""Cache keys of different requests differ, and foreign or damaged cache values are misses."""

import itertools
import pickle  # noqa: TID251 an attack
import random
import threading
from pathlib import Path

import pytest

from cogitate.server.auth.caller import Caller
from cogitate.server.cache.redis import PREFIX
from cogitate.server.cache.signing import MARK, seal
from cogitate.server.engine import ModelCard
from cogitate.server.planning.request_plan import build_plan
from cogitate.server.protocol.chat import ChatRequest
from cogitate.server.settings import Settings
from cogitate.strategies.verifiers import BUILT_IN
from tests.resilience.background import Probe
from tests.resilience.concurrent_clients import post_all
from tests.resilience.redis_servers import (
    VOTE,
    answer_keys,
    cache_counter,
    question,
    run_server,
    wait_for_entries,
    write_secret,
)
from tests.server.cache.test_signing import Canary

CARD = ModelCard("scripted", "1", 4096, 0)
CHOICES: dict[str, list[object]] = {
    "messages": [[{"role": role, "content": text}] for role in ("user", "system") for text in ("1", "11", "1 1", "")],
    "temperature": [None, 0, 0.5, 1],
    "top_p": [None, 0.5, 1],
    "seed": [None, 0, 1, 11],
    "max_tokens": [None, 1, 11, 111],
    "stop": [None, "1", ["1", "11"], ["11", "1"]],
    "presence_penalty": [None, 0, 1],
    "logit_bias": [None, {"1": 1}, {"1": 11}, {"11": 1}],
    "budget": [None, {"tokens": 5000}, {"tokens": 500}],
    "strategy": [{"name": name, "n": n} for name in ("self_consistency", "best_of_n") for n in (1, 2, 11)],
}


def cache_key(fields: dict[str, object], tenant: str = "", card: ModelCard = CARD) -> str:
    payload = {name: value for name, value in fields.items() if value is not None}
    key = build_plan(
        ChatRequest.model_validate({"model": "scripted"} | payload), card, Settings(), BUILT_IN, Caller(tenant)
    ).key
    assert key
    return key


def check_keys(bar, count: int) -> None:
    """Assert that `count` different requests have as many keys, and that the order of fields does not matter."""
    chance, keys = random.Random(16), {}
    tenants, cards = ("", "1", "11"), (CARD, ModelCard("scripted", "11", 4096, 0))
    equal = reordered = 0
    while len(keys) < count:
        drawn = {name: chance.choice(values) for name, values in CHOICES.items()}
        tenant, card = chance.choice(tenants), chance.choice(cards)
        same = repr((drawn, tenant, card))
        if same in keys:
            continue
        key = cache_key(drawn, tenant, card)
        keys[same] = key
        if len(keys) % 10 == 0:
            reordered += cache_key(dict(reversed(drawn.items())), tenant, card) != key
    equal = len(keys) - len(set(keys.values()))
    pairs = count * (count - 1) // 2
    lengths = {len(PREFIX + key) for key in keys.values()}
    bar(f"equal keys among {count} different requests ({pairs:,} pairs)", str(equal), "0", equal == 0)
    bar("... another order of fields, another key", str(reordered), "0", reordered == 0)
    bar("... lengths", f"{lengths} B", "one, at most 128 B", len(lengths) == 1 and max(lengths) <= 128)


@pytest.mark.fault("T16")
def test_different_requests_have_different_cache_keys(bar):
    check_keys(bar, 500)


@pytest.mark.fault("T16")
@pytest.mark.faults
def test_twenty_thousand_different_requests_have_different_cache_keys(bar):
    check_keys(bar, 20_000)


def poison(count: int, folder: Path) -> list[bytes]:
    """Generate foreign and damaged values: noise, truncated, unpickled code, forged, too deep, wrongly signed."""
    chance, fake = random.Random(17), b'{"choices":[{"message":{"content":"FORGED"}}],"cogitate":{"answer":"FORGED"}}'
    sealed = seal("0" * 64, fake, None)
    pickles = [pickle.dumps(Canary(folder / "canary")), f"cos\nsystem\n(S'touch {folder}/canary'\ntR.".encode()]
    kinds = [
        lambda: chance.randbytes(chance.randrange(1, 300)),
        lambda: MARK + chance.randbytes(chance.randrange(300)),
        lambda: sealed[: chance.randrange(1, len(sealed))],
        lambda: sealed.replace(b":1\n", b":2\n"),
        lambda: MARK + bytes(32) + chance.choice(pickles),
        lambda: chance.choice(pickles),
        lambda: fake,
        lambda: b"[" * 100_000,
        lambda: seal("0" * 64, fake, b"somebody's secret"),
    ]
    return [make() for make, _ in zip(itertools.cycle(kinds), range(count), strict=False)]


def check_values(bar, tmp_path: Path, count: int, keys: int) -> None:
    requests = [{**question(f"q {at}"), "strategy": VOTE} for at in range(keys)]
    values, stop = iter(poison(count, tmp_path)), threading.Event()
    with run_server("--cache-secret-file", str(write_secret(tmp_path))) as (redis, server), Probe(server) as probe:
        load = threading.Thread(
            target=lambda: [server.ask(strategy=VOTE, cache="no-store") for _ in iter(stop.is_set, 1)]
        )
        load.start()
        responses, injected = post_all(server, requests, 4), 0
        while injected < count:
            wait_for_entries(redis, keys)
            pairs = list(zip(answer_keys(redis), values, strict=False))
            for name, value in pairs:
                redis.do("SET", name, value)
            injected += len(pairs)
            responses += post_all(server, requests, 4)
        stop.set()
        load.join()
        corrupt = cache_counter(server, "corrupt")
        server.assert_healthy()
    statuses = {answer.status_code for answer in responses}
    served = sum("FORGED" in answer.text or answer.json()["cogitate"]["answer"] != "42" for answer in responses)
    canaries = [path.name for path in tmp_path.iterdir() if path.name != "secret"]
    what = f"{injected} values that are not ours under {keys} keys, under load: statuses"
    bar(what, str(statuses), "200", statuses == {200})
    figure = f"{served}; {canaries or 0}"
    bar("... forged or damaged answers served; canaries touched", figure, "0; 0", not canaries and not served)
    bar("... counted as corrupt", str(corrupt), str(injected), corrupt == injected)
    bar("... liveness, p99", f"{probe.p99:.0f} ms", "250 ms", probe.p99 <= 250 and not probe.failures)


@pytest.mark.fault("T17")
@pytest.mark.faults
def test_foreign_cache_values_are_misses(bar, tmp_path):
    check_values(bar, tmp_path, 100, 25)


@pytest.mark.fault("T17")
@pytest.mark.faults
def test_five_thousand_foreign_cache_values_are_misses(bar, tmp_path):
    check_values(bar, tmp_path, 5_000, 250)
