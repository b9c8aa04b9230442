"""Tournaments of `pairwise`: a consistent judge's best solution wins, in exactly the declared number of verdicts."""

import asyncio
import math
from zlib import crc32

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cogitate.strategies.best_of_n import BestOfN
from cogitate.strategies.core.scripted import ScriptedEngine
from cogitate.strategies.core.trace import usage
from cogitate.strategies.verifiers.comparative import Pairwise
from cogitate.strategies.verifiers.standings import Standings
from cogitate.strategies.verifiers.tournament import build_ring, count_verdicts, takes_all_pairs
from tests.fakes.run import QUESTION, build_session, solve
from tests.strategies.verifiers.test_comparative import Jury, build_solution, parse_shown_texts

PAIRINGS = pytest.mark.parametrize("pairing", ["all", "pivot", "swiss"])
TOURNAMENTS = pytest.mark.parametrize("pairing", ["pivot", "swiss"])


def scores(pairing, texts, jury):
    verdicts = asyncio.run(Pairwise(pairing).judge(QUESTION, [build_solution(text) for text in texts], jury.ask))
    return [verdict.steps[0] for verdict in verdicts]


class SureJury(Jury):
    """Prefers the text with the larger number, always by the same probability."""

    def labels(self, prompt):
        first, second = (int(text.split()[-1]) for text in parse_shown_texts(prompt))
        return {"0": math.log(0.9 if first > second else 0.1), "1": math.log(0.1 if first > second else 0.9)}


@TOURNAMENTS
@pytest.mark.parametrize("n", [2, 3, 4, 5, 8, 9, 16, 33, 64])
def test_best_solution_wins_a_tournament_with_a_judge_that_ranks(pairing, n):
    for start in range(8):
        texts, jury = [f"answer {start} of {at}" for at in range(n)], SureJury()
        results = scores(pairing, texts, jury)
        assert max(range(n), key=results.__getitem__) == n - 1 and results.count(max(results)) == 1
        assert len(jury.asked) == count_verdicts(pairing, n)


@PAIRINGS
@given(
    st.lists(st.floats(0.4, 10), min_size=2, max_size=17, unique_by=lambda x: round(math.log(x), 1)),
    st.sampled_from([0.2, 1.0, 5.0]),
)
def test_best_solution_wins_with_a_judge_by_strength_and_place(pairing, strengths, bias):
    """By the Bradley-Terry model, with a preference for one of the places."""
    opinion = {f"answer {at}": strength for at, strength in enumerate(strengths)}
    jury = Jury(opinion.__getitem__, place=[bias, 1.0].__getitem__)
    results = dict(zip(opinion, scores(pairing, list(opinion), jury), strict=True))
    assert max(results, key=results.__getitem__) == max(opinion, key=opinion.__getitem__)
    assert all(0 <= score <= 1 for score in results.values())


def test_sixteen_solutions_take_few_verdicts():
    assert [count_verdicts(pairing, 16) for pairing in ("all", "pivot", "swiss")] == [240, 45, 48]


@pytest.mark.parametrize("n", range(4, 65))
def test_pivot_takes_as_many_comparisons_as_the_paper_states(n):
    assert count_verdicts("pivot", n) == n + 2 * (n - 2) + 1


@PAIRINGS
def test_more_solutions_never_take_fewer_verdicts(pairing):
    counts = [count_verdicts(pairing, n) for n in range(1, 65)]
    assert counts == sorted(counts) and all(count <= count_verdicts("all", n) for n, count in enumerate(counts, 1))


@TOURNAMENTS
@pytest.mark.parametrize("n", range(1, 41))
def test_every_verdict_is_on_another_comparison_and_the_count_is_exact(pairing, n):
    jury = Jury(lambda text: 1.0 + crc32(text.encode()) % 5)
    scores(pairing, [f"answer {at}" for at in range(n)], jury)
    shown = [tuple(parse_shown_texts(prompt)) for prompt in jury.asked]
    assert len(set(shown)) == len(shown) == count_verdicts(pairing, n)


@pytest.mark.parametrize("n", [2, 5, 16])
def test_ring_shows_each_solution_once_at_each_place(n):
    ring = build_ring([f"answer {at}" for at in range(n)])
    assert sorted(first for first, _ in ring) == sorted(second for _, second in ring) == list(range(n))


@TOURNAMENTS
def test_few_solutions_are_compared_in_all_orders(pairing):
    assert takes_all_pairs(pairing, 3) and not takes_all_pairs(pairing, 5)
    jury = {"a": 1.0, "b": 9.0, "c": 3.0}
    assert scores(pairing, "abc", Jury(jury.__getitem__)) == scores("all", "abc", Jury(jury.__getitem__))


@TOURNAMENTS
def test_result_does_not_depend_on_the_order_of_arrival(pairing):
    texts = [f"answer {at}" for at in range(12)]
    jury = Jury(lambda text: 1.0 + len(text) + int(text[-1]))
    assert scores(pairing, texts[::-1], jury) == scores(pairing, texts, jury)[::-1]


@TOURNAMENTS
@given(st.data())
def test_lost_verdicts_end_no_tournament_early_or_late(pairing, data):
    n = data.draw(st.integers(2, 16))
    losses = data.draw(st.sets(st.integers(0, 20)))
    jury = Jury(lambda text: 1.0 + int(text.split()[-1]), lost=losses.__contains__)
    results = scores(pairing, [f"answer {at}" for at in range(n)], jury)
    assert len(jury.asked) <= count_verdicts(pairing, n) and all(0 <= score <= 1 for score in results)


@TOURNAMENTS
def test_most_typical_text_wins_a_tournament_without_any_verdict(pairing):
    texts = ["zebra", *(f"the answer is {at}" for at in range(5))]
    results = scores(pairing, texts, Jury(lost=lambda number: True))
    assert results[0] == min(results) < results[1]


def test_advantage_of_the_first_place_is_taken_out():
    standings, ring = Standings(3), [(0, 1), (1, 2), (2, 0)]
    standings.record(ring, [(0.9, 0.1)] * 3)
    assert standings.win_rates() == [0.5, 0.5, 0.5]
    standings.measure_advantage(ring)
    assert standings.advantage == pytest.approx(math.log(9)) and standings.unbeaten() == [0, 1, 2]
    standings.record([(1, 0)], [(0.8, 0.2)])
    assert standings.ranking()[0] == 0 and standings.unbeaten() == [0, 2]


@TOURNAMENTS
def test_best_of_n_counts_the_tournament_in_its_bill(pairing):
    replies = [f"answer {at}" for at in range(8)]
    engine = ScriptedEngine(
        lambda prompt, sampling: "0" if sampling.labels else replies[len(engine.calls) - 1],
        labels=lambda prompt: SureJury().labels(prompt),
    )
    session, strategy = build_session(engine), BestOfN(n=8, verifier="pairwise", pairing=pairing)
    session.verifiers = strategy.build_verifiers(session.verifiers, None)
    assert solve(strategy, session).outcome.completion.text == "answer 7"
    spent = usage(session.trace)
    assert spent.verifier == count_verdicts(pairing, 8) and engine.decoded <= strategy.cost(100)
