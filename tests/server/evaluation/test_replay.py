"""A replay against brute force: the same vote counted by hand, the same clock wound by hand."""

import heapq
import random
from collections import Counter

import pytest

from cogitate.server.evaluation.arms import arm
from cogitate.server.evaluation.banked import beside
from cogitate.server.evaluation.replay import replayed, shuffled
from cogitate.server.evaluation.replay_engine import NotInBank
from tests.fakes.banks import bank_of, question

ANSWERS = ("1", "1", "1", "2", "3", None)


def chance(seed: int, n: int = 12) -> tuple[list[str | None], list[int]]:
    rng = random.Random(seed)
    return [rng.choice(ANSWERS) for _ in range(n)], rng.sample(range(1, 50_000), n)


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize("lanes", [1, 3, 12])
def test_rolling_concurrency_is_brute_force(seed: int, lanes: int):
    """`certain`: the clock, the tokens and the aborted ones, by a heap of who finishes when."""
    answers, tokens = chance(seed)
    bank = bank_of(answers, tokens)
    said = {sample.tokens: answers[sample.index] for sample in bank.drawn("sums:0")}
    waiting = [sample.tokens for sample in shuffled(bank.drawn("sums:0"), "sums:0/0")]
    running = [(length, 0, length) for length in waiting[:lanes]]
    waiting, votes, spent, now, left = waiting[lanes:], Counter[str](), 0, 0, len(answers)
    heapq.heapify(running)
    while running:
        now, _, length = heapq.heappop(running)
        spent, left = spent + length, left - 1
        if said[length] is not None:
            votes[said[length]] += 1
        first, second = ([*sorted(votes.values(), reverse=True), 0, 0])[:2]
        if first - second > left:
            break
        if waiting:
            fresh = waiting.pop(0)
            heapq.heappush(running, (now + fresh, now, fresh))
    aborted = sum(now - began for _, began, _ in running)
    result = replayed(
        "x", arm(f"self_consistency:n=12,stop_rule=certain,concurrency={lanes}").strategy, question(), bank
    )
    assert (result.depth, result.aborted) == pytest.approx((now, aborted), abs=2)
    assert result.tokens == pytest.approx(spent + aborted, abs=len(answers))


@pytest.mark.parametrize("seed", range(10))
def test_a_plain_vote_is_a_counter(seed: int):
    answers, tokens = chance(seed)
    result = replayed("x", arm("self_consistency:n=12,stop_rule=none").strategy, question(), bank_of(answers, tokens))
    votes = Counter(answer for answer in answers if answer is not None)
    assert votes[result.answer] == max(votes.values())
    assert (result.tokens, result.depth, result.candidates, result.aborted) == (sum(tokens), max(tokens), 12, 0)
    assert result.correct == (result.answer == "1")


def test_every_strategy_sees_one_order_and_every_repeat_another():
    bank = bank_of(["1"] * 8, list(range(1, 9)))
    samples = bank.drawn("sums:0")
    assert shuffled(samples, "q/0") == shuffled(samples, "q/0") != shuffled(samples, "q/1")


def test_who_all_abstain_answer_nothing():
    result = replayed("x", arm("self_consistency:n=4").strategy, question(), bank_of([None] * 4))
    assert (result.answer, result.correct) == (None, False)


def test_weights_by_confidence_replay():
    result = replayed(
        "x", arm("best_of_n:n=4,verifier=confidence,weighted=true").strategy, question(), bank_of(["1"] * 4)
    )
    assert result.correct


@pytest.mark.parametrize("written", ["self_consistency:n=9", "best_of_n:n=4,verifier=judge", "beam_search"])
def test_what_only_a_model_can_give_is_no_replay(written: str):
    with pytest.raises(NotInBank):
        replayed("x", arm(written).strategy, question(), bank_of([str(at) for at in range(4)]))


def test_baselines():
    bank = bank_of(["2", "1", None, "2"], [5, 6, 7, 8])
    results = {}
    for result in beside(question(), bank, 4):
        results.setdefault(result.arm, []).append(result)
    assert [r.correct for r in results["greedy"]] == [False]
    assert [r.correct for r in results["one sample"]] == [False, True, False, False]
    (oracle,) = results["oracle pass@4"]
    assert (oracle.correct, oracle.tokens, oracle.depth) == (True, 26, 8)


def test_a_floor_ends_samples_of_a_bank_where_it_would_end_them_live():
    """Two of a warm-up that are sure, and six that doubt from their first token: a window of 16 each."""
    bank = bank_of(["1"] * 8, [40] * 8)
    drawn = shuffled(bank.drawn("sums:0"), "sums:0/0")
    for place, sample in enumerate(drawn):
        sample.logprobs[:] = [-9.0 if place < 2 else -1.0] * 40
        sample.top[:] = [[logprob] for logprob in sample.logprobs]
    vote = arm("self_consistency:n=8,stop_rule=none,weights=confidence,floor=high,warmup=2").strategy
    result = replayed("x", vote, question(), bank)
    assert (result.answer, result.tokens) == ("1", 2 * 40 + 6 * 16)
