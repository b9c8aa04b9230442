"""Tenants share neither cached answers nor prefix cache entries, and timing reveals nothing across tenants."""

import math
import random

import pytest

from tests.resilience.background import Probe
from tests.resilience.concurrent_clients import post_all
from tests.resilience.redis_servers import (
    KEYS_FILE,
    VOTE,
    answer_keys,
    auth_header,
    question,
    run_server,
    wait_for_entries,
    write_secret,
)
from tests.resilience.server_process import Server

pytestmark = pytest.mark.fault("T7")

CANARY = "zebra-4711"


def check_isolation(bar, tmp_path, count: int) -> None:
    requests = [{**question(f"{CANARY} {at}"), "strategy": VOTE} for at in range(count)]
    flags = ("--cache-secret-file", str(write_secret(tmp_path)))
    with run_server(*flags, keys=KEYS_FILE) as (redis, server), Probe(server) as probe:
        names: list[set[bytes]] = []
        hits: list[int] = []
        for tenant in ("alice", "carol", "alice"):
            before = set(answer_keys(redis))
            responses = post_all(server, [{**ask, "headers": auth_header(tenant)} for ask in requests], 20)
            assert {answer.status_code for answer in responses} == {200}
            hits.append(sum(answer.headers.get("x-cache") == "hit" for answer in responses))
            wait_for_entries(redis, count * min(len(hits), 2))
            names.append(set(answer_keys(redis)) - before)
        salts = server.counters["salts"]
        dump = b"".join(name + redis.do("GET", name) for name in redis.do("KEYS", "*"))
        server.assert_healthy()
    what = f"the same {count} bodies from another tenant: hits; from the first again"
    bar(what, f"{hits[1]}; {hits[2]}", f"0; {count}", hits == [0, 0, count])
    bar("... Redis keys in common", str(len(names[0] & names[1])), "0", not names[0] & names[1])
    even = sorted(salts.values()) == [4 * count, 4 * count] and "" not in salts
    bar("... salts that decodes came with", f"{len(salts)}, evenly" if even else str(salts), "2, evenly", even)
    leaked = [word for word in (CANARY, "alice", "carol") if word.encode() in dump]
    bar("... prompts or tenants told by what is in Redis", str(leaked or 0), "0", not leaked)
    bar("... liveness, p99", f"{probe.p99:.0f} ms", "250 ms", probe.p99 <= 250 and not probe.failures)


def test_tenants_do_not_share_cached_answers(bar, tmp_path):
    check_isolation(bar, tmp_path, 25)


@pytest.mark.faults
def test_tenants_do_not_share_a_thousand_cached_answers(bar, tmp_path):
    check_isolation(bar, tmp_path, 1000)


def test_every_decode_of_a_tenant_has_its_cache_salt(bar, tmp_path):
    with Server(keys=KEYS_FILE, flags=("--cache-secret-file", str(write_secret(tmp_path)))) as server:
        headers = auth_header("alice")
        judge = {"name": "best_of_n", "n": 2, "verifier": "judge"}
        for fields in ({}, {"stream": True}, {"strategy": judge}, {"strategy": "beam_search"}):
            server.ask(headers=headers, **fields)
        counters = server.counters
        server.assert_healthy()
    (one,) = counters["salts"].values() if len(counters["salts"]) == 1 else (0,)
    figure = f"{len(counters['salts'])} salt for {one} of {counters['started']} decodes"
    bar("plain answers, streams, steps and judges of one tenant", figure, "1 salt, all", one == counters["started"])


@pytest.mark.faults
def test_response_time_does_not_reveal_another_tenants_prompts(bar):
    """The engine emulates a prefix cache: a repeated prompt under the same salt decodes three times as fast."""
    count = 500
    chance = random.Random(7)
    with Server(keys=KEYS_FILE) as server:
        server.set_knobs(pace=0.003, prefix_cache=True)
        after, cold = [], []
        for at in range(count):
            server.ask(headers=auth_header("alice"), **question(f"known {at}"))
            requests = [(after, f"known {at}"), (cold, f"never asked {at}")]
            chance.shuffle(requests)
            for times, text in requests:
                times.append(server.ask(headers=auth_header("carol"), **question(text)).elapsed.total_seconds())
        own = [
            server.ask(headers=auth_header("alice"), **question(f"known {at}")).elapsed.total_seconds()
            for at in range(50)
        ]
        server.assert_healthy()
    p, control = ks_p(after, cold), ks_p(own, cold[:50])
    what = f"{count} answers to what another tenant had asked beside {count} to what nobody had: KS p (own questions)"
    bar(what, f"{p:.2f} ({control:.0e})", "above 0.01 (below: the probe sees)", p > 0.01 > control)


def ks_p(one: list[float], other: list[float]) -> float:
    """Return the p of a two-sample Kolmogorov-Smirnov test, by its asymptotic series."""
    points = sorted(one + other)
    gap = max(abs(sum(x <= at for x in one) / len(one) - sum(x <= at for x in other) / len(other)) for at in points)
    scale = gap * math.sqrt(len(one) * len(other) / (len(one) + len(other)))
    terms = (2 * (-1) ** (k - 1) * math.exp(-2 * (k * scale) ** 2) for k in range(1, 101))
    return min(1.0, max(0.0, sum(terms))) if scale > 0.2 else 1.0
