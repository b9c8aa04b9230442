"""T7: what one tenant has asked is neither served nor told to another, by the cache or by the engine's."""

import math
import random

import pytest

from tests.resilience.concurrent_clients import crowd
from tests.resilience.redis_servers import FILE, VOTE, answers, bearer, kept, question, secret_file, stored
from tests.resilience.server_process import Probe, Server

CANARY = "zebra-4711"


def judged(bar, tmp_path, count: int) -> None:
    asks = [{**question(f"{CANARY} {at}"), "strategy": VOTE} for at in range(count)]
    flags = ("--cache-secret-file", str(secret_file(tmp_path)))
    with stored(*flags, keys=FILE) as (redis, server), Probe(server) as probe:
        names: list[set[bytes]] = []
        hits: list[int] = []
        for who in ("alice", "bob", "alice"):
            before = set(answers(redis))
            told = crowd(server, [{**ask, "headers": bearer(who)} for ask in asks], 20)
            assert {answer.status_code for answer in told} == {200}
            hits.append(sum(answer.headers.get("x-cache") == "hit" for answer in told))
            kept(redis, count * min(len(hits), 2))
            names.append(set(answers(redis)) - before)
        salts = server.counters["salts"]
        dump = b"".join(name + redis.do("GET", name) for name in answers(redis))
        server.healthy()
    what = f"the same {count} bodies from another tenant: hits; from the first again"
    bar("T7", what, f"{hits[1]}; {hits[2]}", f"0; {count}", hits == [0, 0, count])
    bar("T7", "... Redis keys in common", str(len(names[0] & names[1])), "0", not names[0] & names[1])
    even = sorted(salts.values()) == [4 * count, 4 * count] and "" not in salts
    bar("T7", "... salts that decodes came with", f"{len(salts)}, evenly" if even else str(salts), "2, evenly", even)
    told = [word for word in (CANARY, "alice", "bob") if word.encode() in dump]
    bar("T7", "... prompts or tenants told by what is in Redis", str(told or 0), "0", not told)
    bar("T7", "... liveness, p99", f"{probe.p99:.0f} ms", "250 ms", probe.p99 <= 250 and not probe.failures)


def test_t7_a_tenant_is_never_told_what_another_asked(bar, tmp_path):
    judged(bar, tmp_path, 25)


@pytest.mark.faults
def test_t7_a_thousand_bodies_tell_nothing(bar, tmp_path):
    judged(bar, tmp_path, 1000)


def test_t7_a_plain_answer_and_a_judge_come_with_the_tenants_salt_too(bar, tmp_path):
    with Server(keys=FILE, flags=("--cache-secret-file", str(secret_file(tmp_path)))) as server:
        headers = bearer("alice")
        judge = {"name": "best_of_n", "n": 2, "verifier": "judge"}
        for fields in ({}, {"stream": True}, {"strategy": judge}, {"strategy": "beam_search"}):
            server.ask(headers=headers, **fields)
        counted = server.counters
        server.healthy()
    (one,) = counted["salts"].values() if len(counted["salts"]) == 1 else (0,)
    figure = f"{len(counted['salts'])} salt for {one} of {counted['started']} decodes"
    bar(
        "T7", "plain answers, streams, steps and judges of one tenant", figure, "1 salt, all", one == counted["started"]
    )


@pytest.mark.faults
def test_t7_the_time_of_an_answer_tells_nothing(bar):
    """With an engine that answers three times as fast what it remembers under this salt."""
    count = 500
    chance = random.Random(7)
    with Server(keys=FILE) as server:
        server.turn(pace=0.003, remembers=True)
        after, cold = [], []
        for at in range(count):
            server.ask(headers=bearer("alice"), **question(f"known {at}"))
            asks = [(after, f"known {at}"), (cold, f"never asked {at}")]
            chance.shuffle(asks)
            for times, text in asks:
                times.append(server.ask(headers=bearer("bob"), **question(text)).elapsed.total_seconds())
        own = [
            server.ask(headers=bearer("alice"), **question(f"known {at}")).elapsed.total_seconds() for at in range(50)
        ]
        server.healthy()
    p, seen = same(after, cold), same(own, cold[:50])
    what = f"{count} answers to what another tenant had asked beside {count} to what nobody had: KS p (own questions)"
    bar("T7", what, f"{p:.2f} ({seen:.0e})", "above 0.01 (below: the probe sees)", p > 0.01 > seen)


def same(one: list[float], other: list[float]) -> float:
    """Kolmogorov and Smirnov's two-sample p, by its asymptotic series."""
    points = sorted(one + other)
    gap = max(abs(sum(x <= at for x in one) / len(one) - sum(x <= at for x in other) / len(other)) for at in points)
    scale = gap * math.sqrt(len(one) * len(other) / (len(one) + len(other)))
    terms = (2 * (-1) ** (k - 1) * math.exp(-2 * (k * scale) ** 2) for k in range(1, 101))
    return min(1.0, max(0.0, sum(terms))) if scale > 0.2 else 1.0
