"""T16, T17: keys that never meet, and values that were never ours."""

import itertools
import pickle
import random
import threading
from pathlib import Path

import pytest

from cogitate.server.auth.caller import Caller
from cogitate.server.cache.redis import PREFIX
from cogitate.server.cache.signing import MARK, seal
from cogitate.server.engine import ModelCard
from cogitate.server.planning.plan import plan
from cogitate.server.protocol.chat import ChatRequest
from cogitate.server.settings import Settings
from cogitate.strategies.verifiers import BUILT_IN
from tests.resilience.concurrent_clients import crowd
from tests.resilience.redis_servers import VOTE, answers, counted, kept, question, secret_file, stored
from tests.resilience.server_process import Probe
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


def keyed(fields: dict[str, object], tenant: str = "", card: ModelCard = CARD) -> str:
    said = {name: value for name, value in fields.items() if value is not None}
    key = plan(ChatRequest.model_validate({"model": "scripted"} | said), card, Settings(), BUILT_IN, Caller(tenant)).key
    assert key
    return key


def judged_keys(bar, count: int) -> None:
    """Each request of a pair by its own key: so many different ones are so many different keys."""
    chance, keys = random.Random(16), {}
    tenants, cards = ("", "1", "11"), (CARD, ModelCard("scripted", "11", 4096, 0))
    equal = reordered = 0
    while len(keys) < count:
        drawn = {name: chance.choice(values) for name, values in CHOICES.items()}
        tenant, card = chance.choice(tenants), chance.choice(cards)
        same = repr((drawn, tenant, card))
        if same in keys:
            continue
        key = keyed(drawn, tenant, card)
        keys[same] = key
        if len(keys) % 10 == 0:
            reordered += keyed(dict(reversed(drawn.items())), tenant, card) != key
    equal = len(keys) - len(set(keys.values()))
    pairs = count * (count - 1) // 2
    lengths = {len(PREFIX + key) for key in keys.values()}
    bar("T16", f"equal keys among {count} different requests ({pairs:,} pairs)", str(equal), "0", equal == 0)
    bar("T16", "... another order of fields, another key", str(reordered), "0", reordered == 0)
    bar("T16", "... lengths", f"{lengths} B", "one, at most 128 B", len(lengths) == 1 and max(lengths) <= 128)


def test_t16_different_requests_have_different_keys(bar):
    judged_keys(bar, 500)


@pytest.mark.faults
def test_t16_thousands_of_requests_have_different_keys(bar):
    judged_keys(bar, 20_000)


def poison(count: int, folder: Path) -> list[bytes]:
    """Values for keys that these do not belong to."""
    chance, fake = random.Random(17), b'{"choices":[{"message":{"content":"FORGED"}}],"cogitate":{"answer":"FORGED"}}'
    whole = seal("0" * 64, fake, None)
    pickles = [pickle.dumps(Canary(folder / "canary")), f"cos\nsystem\n(S'touch {folder}/canary'\ntR.".encode()]
    kinds = [
        lambda: chance.randbytes(chance.randrange(1, 300)),
        lambda: MARK + chance.randbytes(chance.randrange(300)),
        lambda: whole[: chance.randrange(1, len(whole))],
        lambda: whole.replace(b":1\n", b":2\n"),
        lambda: MARK + bytes(32) + chance.choice(pickles),
        lambda: chance.choice(pickles),
        lambda: fake,
        lambda: b"[" * 100_000,
        lambda: seal("0" * 64, fake, b"somebody's secret"),
    ]
    return [make() for make, _ in zip(itertools.cycle(kinds), range(count), strict=False)]


def judged_values(bar, tmp_path: Path, count: int, keys: int) -> None:
    asks = [{**question(f"q {at}"), "strategy": VOTE} for at in range(keys)]
    left, over = iter(poison(count, tmp_path)), threading.Event()
    with stored("--cache-secret-file", str(secret_file(tmp_path))) as (redis, server), Probe(server) as probe:
        load = threading.Thread(
            target=lambda: [server.ask(strategy=VOTE, cache="no-store") for _ in iter(over.is_set, 1)]
        )
        load.start()
        answered, injected = crowd(server, asks, 4), 0
        while injected < count:
            kept(redis, keys)
            pairs = list(zip(answers(redis), left, strict=False))
            for name, value in pairs:
                redis.do("SET", name, value)
            injected += len(pairs)
            answered += crowd(server, asks, 4)
        over.set()
        load.join()
        found = counted(server, "corrupt")
        server.healthy()
    statuses = {answer.status_code for answer in answered}
    served = sum("FORGED" in answer.text or answer.json()["cogitate"]["answer"] != "42" for answer in answered)
    canaries = [path.name for path in tmp_path.iterdir() if path.name != "secret"]
    what = f"{injected} values that are not ours under {keys} keys, under load: statuses"
    bar("T17", what, str(statuses), "200", statuses == {200})
    figure = f"{served}; {canaries or 0}"
    bar("T17", "... forged or damaged answers served; canaries touched", figure, "0; 0", not canaries and not served)
    bar("T17", "... counted as corrupt", str(found), str(injected), found == injected)
    bar("T17", "... liveness, p99", f"{probe.p99:.0f} ms", "250 ms", probe.p99 <= 250 and not probe.failures)


@pytest.mark.faults
def test_t17_what_is_not_ours_is_a_miss(bar, tmp_path):
    judged_values(bar, tmp_path, 100, 25)


@pytest.mark.faults
def test_t17_five_thousand_values_that_are_not_ours(bar, tmp_path):
    judged_values(bar, tmp_path, 5_000, 250)
