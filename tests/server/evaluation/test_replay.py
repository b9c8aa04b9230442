"""Replays against brute force: the same votes and the same clock, computed independently."""

import heapq
import random
from collections import Counter

import pytest

from cogitate.server.evaluation.arms import parse_arm
from cogitate.server.evaluation.baselines import bank_results
from cogitate.server.evaluation.replay import replay, shuffle
from cogitate.server.evaluation.replay_engine import NotInBank
from tests.fakes.banks import bank_of, question

ANSWERS = ("1", "1", "1", "2", "3", None)


def random_answers(seed: int, n: int = 12) -> tuple[list[str | None], list[int]]:
    rng = random.Random(seed)
    return [rng.choice(ANSWERS) for _ in range(n)], rng.sample(range(1, 50_000), n)


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize("concurrency", [1, 3, 12])
def test_depth_and_aborted_tokens_equal_a_simulated_queue(seed: int, concurrency: int):
    """Simulate `certain` with a heap of finishing times: clock, tokens and aborted tokens."""
    answers, tokens = random_answers(seed)
    bank = bank_of(answers, tokens)
    answer_of = {sample.tokens: answers[sample.index] for sample in bank.non_greedy("sums:0")}
    waiting = [sample.tokens for sample in shuffle(bank.non_greedy("sums:0"), "sums:0/0")]
    running = [(length, 0, length) for length in waiting[:concurrency]]
    waiting, votes, spent, now, left = waiting[concurrency:], Counter[str](), 0, 0, len(answers)
    heapq.heapify(running)
    while running:
        now, _, length = heapq.heappop(running)
        spent, left = spent + length, left - 1
        if answer_of[length] is not None:
            votes[answer_of[length]] += 1
        first, second = ([*sorted(votes.values(), reverse=True), 0, 0])[:2]
        if first - second > left:
            break
        if waiting:
            fresh = waiting.pop(0)
            heapq.heappush(running, (now + fresh, now, fresh))
    aborted = sum(now - began for _, began, _ in running)
    result = replay(parse_arm(f"self_consistency:n=12,stop_rule=certain,concurrency={concurrency}"), question(), bank)
    assert (result.depth, result.aborted) == pytest.approx((now, aborted), abs=2)
    assert result.tokens == pytest.approx(spent + aborted, abs=len(answers))


@pytest.mark.parametrize("seed", range(10))
def test_vote_without_stop_rule_equals_a_counter(seed: int):
    answers, tokens = random_answers(seed)
    result = replay(parse_arm("self_consistency:n=12,stop_rule=none"), question(), bank_of(answers, tokens))
    votes = Counter(answer for answer in answers if answer is not None)
    assert votes[result.answer] == max(votes.values())
    assert (result.tokens, result.depth, result.candidates, result.aborted) == (sum(tokens), max(tokens), 12, 0)
    assert result.correct == (result.answer == "1")


def test_order_depends_on_the_repeat_only():
    bank = bank_of(["1"] * 8, list(range(1, 9)))
    samples = bank.non_greedy("sums:0")
    assert shuffle(samples, "q/0") == shuffle(samples, "q/0") != shuffle(samples, "q/1")


def test_all_abstaining_samples_give_no_answer():
    result = replay(parse_arm("self_consistency:n=4"), question(), bank_of([None] * 4))
    assert (result.answer, result.correct) == (None, False)


def test_confidence_verifier_reads_stored_logprobs():
    result = replay(parse_arm("best_of_n:n=4,verifier=confidence,weighted=true"), question(), bank_of(["1"] * 4))
    assert result.correct


@pytest.mark.parametrize("written", ["self_consistency:n=9", "best_of_n:n=4,verifier=judge", "beam_search"])
def test_missing_generations_raise_not_in_bank(written: str):
    with pytest.raises(NotInBank):
        replay(parse_arm(written), question(), bank_of([str(at) for at in range(4)]))


def test_bank_results_are_greedy_samples_and_oracle():
    bank = bank_of(["2", "1", None, "2"], [5, 6, 7, 8])
    results = {}
    for result in bank_results(question(), bank, 4):
        results.setdefault(result.arm, []).append(result)
    assert [r.correct for r in results["greedy"]] == [False]
    assert [r.correct for r in results["one sample"]] == [False, True, False, False]
    (oracle,) = results["oracle pass@4"]
    assert (oracle.correct, oracle.tokens, oracle.depth) == (True, 26, 8)


def test_confidence_threshold_ends_samples_at_the_live_token():
    """Two warm-up samples are confident, and six are not from their first token: each ends after its window of 16."""
    bank = bank_of(["1"] * 8, [40] * 8)
    drawn = shuffle(bank.non_greedy("sums:0"), "sums:0/0")
    for place, sample in enumerate(drawn):
        sample.logprobs[:] = [-9.0 if place < 2 else -1.0] * 40
        sample.top[:] = [[logprob] for logprob in sample.logprobs]
    vote = parse_arm("self_consistency:n=8,stop_rule=none,weights=confidence,floor=high,warmup=2")
    result = replay(vote, question(), bank)
    assert (result.answer, result.tokens) == ("1", 2 * 40 + 6 * 16)
