"""Votes count exactly the samples that finished, and usage counts exactly the tokens that were decoded."""

import random
from typing import Any

import pytest

from tests.resilience.concurrent_clients import post_all
from tests.resilience.server_process import Server

EXACT = {"name": "self_consistency", "stop_rule": "none", "return_candidates": True}


def vote_with_losses(server: Server, n: int) -> tuple[bool, int]:
    """Send a vote of n samples; returns whether its counts match the engine's, and the samples that finished."""
    before = server.counters
    answer = server.ask(strategy=EXACT | {"n": n}, cache="no-store")
    after = server.counters
    finished, decoded = (int(after[name]) - int(before[name]) for name in ("finished", "decoded"))
    if answer.status_code != 200:
        return answer.status_code == 502 and finished == 0, finished
    completion = answer.json()
    candidates_match = completion["cogitate"]["candidates"] == len(completion["cogitate"]["samples"]) == finished
    usage_matches = completion["cogitate"]["agreement"] == 1.0 and completion["usage"]["completion_tokens"] == decoded
    return candidates_match and usage_matches, finished


def check_losses(bar, rounds: int) -> None:
    with Server() as server:
        server.set_knobs(fail=0.3)
        results = [(n, *vote_with_losses(server, n)) for n in (4, 64, 256) for _ in range(rounds)]
        server.set_knobs(fail=1.0)
        refused = server.ask(strategy=EXACT | {"n": 64}, cache="no-store")
        server.set_knobs(fail=0.0)
        server.assert_healthy()
    wrong = sum(not exact for _, exact, _ in results)
    fewest = min(finished / n for n, _, finished in results if n > 4)
    figure = f"{wrong} of {len(results)}; the fewest that survived: {fewest:.0%}"
    bar("requests of 4, 64, 256 samples, 30 % lost: told wrongly", figure, "0", wrong == 0)
    figure = f"{refused.status_code} {refused.json()['error']['code']}"
    bar("all samples lost", figure, "one 502 with its cause", figure == "502 engine_error")


@pytest.mark.fault("T15")
def test_votes_count_the_samples_that_finished(bar):
    check_losses(bar, 10)


@pytest.mark.fault("T15")
@pytest.mark.faults
def test_votes_of_two_thousand_requests_count_the_samples_that_finished(bar):
    check_losses(bar, 667)


def draw_request(chance: random.Random) -> dict[str, Any]:
    sampling = ["self_consistency", "best_of_n", "beam_search", "dvts", "particle_filter", "selection", "auto"]
    name = chance.choice([*sampling, "chain_of_thought", "budget_forcing", "self_refine", "synthesis"])
    options: dict[str, Any] = {"n": chance.choice([4, 8, 16])} if name in sampling else {}
    if name in ("best_of_n", "beam_search", "dvts", "particle_filter"):
        options["verifier"] = chance.choice(["judge", "scripted"])
    budget = chance.choice([{}, {}, {"budget": {"tokens": 40}}, {"budget": {"seconds": 0.03}}])
    limit = chance.choice([2, 5, 100])
    return {"strategy": {"name": name, **options}, "max_tokens": limit, "cache": "no-store", **budget}


def check_usage(bar, count: int) -> None:
    chance = random.Random(44)
    with Server() as server:
        server.set_knobs(pace=0.001, fail=0.02, texts=["so \\boxed{1} it is", "2+2=4 \n\n so \\boxed{2}", "long " * 30])
        before = server.counters["decoded"]
        answers = post_all(server, [draw_request(chance) for _ in range(count)], 16)
        server.set_knobs(fail=0.0)
        server.assert_healthy()
        decoded = server.counters["decoded"] - before
    billed = sum(answer.json()["usage"]["completion_tokens"] for answer in answers if answer.status_code == 200)
    unbilled = [answer for answer in answers if answer.status_code != 200]
    aborted = sum(answer.json()["cogitate"]["aborted"] for answer in answers if answer.status_code == 200)
    figure = f"{decoded - billed} of {decoded} tokens; {aborted} aborts, {len(unbilled)} requests without an answer"
    what = f"{count} mixed requests, cut, lost and aborted ones among them: billed beside decoded"
    bar(what, figure, "0 tokens", decoded == billed and aborted > count // 20)


@pytest.mark.fault("T44")
def test_usage_equals_decoded_tokens(bar):
    check_usage(bar, 200)


@pytest.mark.fault("T44")
@pytest.mark.faults
def test_usage_of_two_thousand_mixed_requests_equals_decoded_tokens(bar):
    check_usage(bar, 2000)
