"""T15, T44: what a vote counts and what a client is billed is what the engine really finished and really decoded."""

import random
from typing import Any

import pytest

from tests.resilience.concurrent_clients import crowd
from tests.resilience.server_process import Server

EXACT = {"name": "self_consistency", "stop_rule": "none", "return_candidates": True}


def survivors(server: Server, n: int) -> tuple[bool, int]:
    """Whether a request of n samples, three in ten of which are lost, is told exactly; and how many survived."""
    before = server.counters
    answer = server.ask(strategy=EXACT | {"n": n}, cache="no-store")
    after = server.counters
    finished, decoded = (int(after[name]) - int(before[name]) for name in ("finished", "decoded"))
    if answer.status_code != 200:
        return answer.status_code == 502 and finished == 0, finished
    said = answer.json()
    counted = said["cogitate"]["candidates"] == len(said["cogitate"]["samples"]) == finished
    agreed = said["cogitate"]["agreement"] == 1.0 and said["usage"]["completion_tokens"] == decoded
    return counted and agreed, finished


def judged_losses(bar, rounds: int) -> None:
    with Server() as server:
        server.turn(fail=0.3)
        told = [(n, *survivors(server, n)) for n in (4, 64, 256) for _ in range(rounds)]
        server.turn(fail=1.0)
        refused = server.ask(strategy=EXACT | {"n": 64}, cache="no-store")
        server.turn(fail=0.0)
        server.healthy()
    wrong = sum(not exact for _, exact, _ in told)
    fewest = min(finished / n for n, _, finished in told if n > 4)
    figure = f"{wrong} of {len(told)}; the fewest that survived: {fewest:.0%}"
    bar("T15", "requests of 4, 64, 256 samples, 30 % lost: told wrongly", figure, "0", wrong == 0)
    said = f"{refused.status_code} {refused.json()['error']['code']}"
    bar("T15", "all samples lost", said, "one 502 with its cause", said == "502 engine_error")


def test_t15_the_votes_are_those_of_the_survivors(bar):
    judged_losses(bar, 10)


@pytest.mark.faults
def test_t15_the_votes_are_those_of_the_survivors_in_two_thousand_requests(bar):
    judged_losses(bar, 667)


def mixed(chance: random.Random) -> dict[str, Any]:
    sampling = ["self_consistency", "best_of_n", "beam_search", "dvts", "particle_filter", "selection", "auto"]
    name = chance.choice([*sampling, "chain_of_thought", "budget_forcing", "self_refine", "synthesis"])
    options: dict[str, Any] = {"n": chance.choice([4, 8, 16])} if name in sampling else {}
    if name in ("best_of_n", "beam_search", "dvts", "particle_filter"):
        options["verifier"] = chance.choice(["judge", "scripted"])
    budget = chance.choice([{}, {}, {"budget": {"tokens": 40}}, {"budget": {"seconds": 0.03}}])
    limit = chance.choice([2, 5, 100])
    return {"strategy": {"name": name, **options}, "max_tokens": limit, "cache": "no-store", **budget}


def judged_bill(bar, count: int) -> None:
    chance = random.Random(44)
    with Server() as server:
        server.turn(pace=0.001, fail=0.02, texts=["so \\boxed{1} it is", "2+2=4 \n\n so \\boxed{2}", "long " * 30])
        before = server.counters["decoded"]
        answers = crowd(server, [mixed(chance) for _ in range(count)], 16)
        server.turn(fail=0.0)
        server.healthy()
        decoded = server.counters["decoded"] - before
    billed = sum(answer.json()["usage"]["completion_tokens"] for answer in answers if answer.status_code == 200)
    unbilled = [answer for answer in answers if answer.status_code != 200]
    aborted = sum(answer.json()["cogitate"]["aborted"] for answer in answers if answer.status_code == 200)
    figure = f"{decoded - billed} of {decoded} tokens; {aborted} aborts, {len(unbilled)} requests without an answer"
    what = f"{count} mixed requests, cut, lost and aborted ones among them: billed beside decoded"
    bar("T44", what, figure, "0 tokens", decoded == billed and aborted > count // 20)


def test_t44_the_bill_is_what_was_decoded(bar):
    judged_bill(bar, 200)


@pytest.mark.faults
def test_t44_the_bill_of_two_thousand_mixed_requests_is_what_was_decoded(bar):
    judged_bill(bar, 2000)
