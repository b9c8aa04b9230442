import itertools
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cogitate.strategies.core.events import Aborted, Failed, Proposed, Shed
from cogitate.strategies.core.execute import NoOutcome
from cogitate.strategies.core.ports import SampleFailed
from cogitate.strategies.core.scripted import ScriptedEngine
from cogitate.strategies.core.trace import usage
from cogitate.strategies.core.types import Sampling
from cogitate.strategies.self_consistency import SelfConsistency
from tests.fakes.run import build_session, events, solve


def box_answers(*answers):
    return [f"so \\boxed{{{answer}}}" if answer else "I cannot say" for answer in answers]


def test_most_frequent_answer_wins():
    session = build_session(ScriptedEngine(box_answers(41, 42, 42)))
    finished = solve(SelfConsistency(n=3, stop_rule="none"), session)
    assert finished.outcome.answer.raw == "42"
    assert finished.outcome.agreement == pytest.approx(2 / 3)
    assert finished.stopped == "completed"


def test_stop_rule_none_draws_exactly_n_samples():
    engine = ScriptedEngine(box_answers(42))
    solve(SelfConsistency(n=7, stop_rule="none"), build_session(engine))
    assert engine.finished == 7 and engine.cancelled == 0


def test_candidate_without_a_readable_answer_abstains():
    session = build_session(ScriptedEngine(box_answers(None, None, None, 42)))
    assert solve(SelfConsistency(n=4, stop_rule="none"), session).outcome.answer.raw == "42"


def test_first_sample_is_the_answer_where_all_abstain():
    finished = solve(SelfConsistency(n=3, stop_rule="none"), build_session(ScriptedEngine(["hm", "well", "so"])))
    assert finished.outcome.answer is None and finished.outcome.completion.text == "hm"


def test_truncated_chain_does_not_vote_by_its_last_number():
    engine = ScriptedEngine(["the answer is 7 but wait there is more", *box_answers(42)])
    session = build_session(engine, sampling=Sampling(max_tokens=5), answer_format="number")
    assert solve(SelfConsistency(n=2, stop_rule="none"), session).outcome.answer.raw == "42"


def test_certain_stops_at_a_safe_lead_and_aborts_the_rest():
    engine = ScriptedEngine(box_answers(42), pace=lambda call: 0.001 if call < 5 else 9)
    finished = solve(SelfConsistency(n=8, stop_rule="certain", concurrency=8), build_session(engine))
    assert (finished.stopped, engine.finished, engine.cancelled) == ("decided", 5, 3)


def test_beta_stops_earlier_than_certain():
    engine = ScriptedEngine(box_answers(42), pace=lambda call: 0.001 if call < 4 else 9)
    finished = solve(SelfConsistency(n=16, concurrency=16), build_session(engine))
    assert (finished.stopped, engine.finished, engine.cancelled) == ("decided", 4, 12)


def test_concurrency_starts_the_rest_only_while_the_vote_is_open():
    engine = ScriptedEngine(box_answers(42), pace=0.001)
    solve(SelfConsistency(n=16, concurrency=2), build_session(engine))
    assert len(engine.calls) <= 6


def test_mathematically_equal_answers_vote_together():
    session = build_session(ScriptedEngine(box_answers("1/2", "7", "0.5")), equals=[("\\frac{1}{2}", "0.5")])
    finished = solve(SelfConsistency(n=3, stop_rule="none"), session)
    assert finished.outcome.agreement == pytest.approx(2 / 3)
    assert finished.outcome.answer.raw in ("1/2", "0.5")


def test_prover_is_not_called_for_plain_numbers():
    session = build_session(ScriptedEngine(box_answers("1", "2", "3")))
    solve(SelfConsistency(n=3, stop_rule="none"), session)
    assert session.prover.asked == []


def test_deadline_returns_the_leader():
    engine = ScriptedEngine(box_answers(42, 41), pace=lambda call: 0.001 if call < 2 else 9)
    finished = solve(SelfConsistency(n=8, stop_rule="none"), build_session(engine), seconds=0.2)
    assert finished.stopped == "deadline" and finished.outcome.answer.raw == "42"
    assert engine.cancelled == 6


def test_deadline_in_the_first_sample_returns_its_partial_text():
    finished = solve(SelfConsistency(n=2), build_session(ScriptedEngine(["one two three"], pace=0.08)), seconds=0.2)
    assert finished.stopped == "deadline" and finished.outcome.completion.text.startswith("one")


def test_deadline_before_the_first_token_raises():
    with pytest.raises(NoOutcome):
        solve(SelfConsistency(n=2), build_session(ScriptedEngine(["x"], pace=9)), seconds=0.05)


def test_token_budget_is_exact():
    engine = ScriptedEngine(["one two three four five six seven eight"])
    session = build_session(engine, tokens=20)
    finished = solve(SelfConsistency(n=8, stop_rule="none"), session)
    assert finished.stopped == "budget"
    assert engine.decoded == 20 == usage(session.trace).completion


def test_usage_counts_every_token_including_aborted_samples():
    engine = ScriptedEngine(box_answers(42), pace=lambda call: 0.001 if call < 5 else 0.003)
    session = build_session(engine)
    solve(SelfConsistency(n=8, stop_rule="certain"), session)
    spent = usage(session.trace)
    assert spent.completion == engine.decoded
    assert spent.aborted == sum(e.completion.completion_tokens for e in events(session, Aborted))
    assert spent.prompt == len(engine.prompt_ids(engine.calls[0][0]))


def test_failed_samples_do_not_vote_or_stop_the_rest():
    session = build_session(
        ScriptedEngine([SampleFailed("gone"), *box_answers(42), SampleFailed("gone"), *box_answers(42)])
    )
    finished = solve(SelfConsistency(n=4, stop_rule="none"), session)
    assert finished.outcome.answer.raw == "42" and len(events(session, Failed)) == 2


def test_first_failure_is_raised_where_every_sample_fails():
    with pytest.raises(SampleFailed, match="gone"):
        solve(SelfConsistency(n=3), build_session(ScriptedEngine([SampleFailed("gone")])))


def test_engine_failure_is_raised_itself_and_cancels_siblings():
    engine = ScriptedEngine([RuntimeError("dead"), "ok"], pace=9)
    with pytest.raises(RuntimeError, match="dead"):
        solve(SelfConsistency(n=3), build_session(engine))
    assert engine.running == 0


def test_seeds_differ_within_a_request_and_repeat_across_requests():
    def seeds():
        engine = ScriptedEngine(box_answers(42))
        solve(SelfConsistency(n=4, stop_rule="none"), build_session(engine, sampling=Sampling(seed=7)))
        return [sampling.seed for _, sampling in engine.calls]

    assert seeds() == seeds() and len(set(seeds())) == 4


def test_seeded_vote_reads_samples_in_order_of_their_seeds():
    engine = ScriptedEngine(box_answers(1, 2, 2, 1), pace=lambda call: 0.02 * (4 - call))
    session = build_session(engine, sampling=Sampling(seed=1))
    solve(SelfConsistency(n=4, stop_rule="none"), session)
    leaders = [event.outcome.answer.raw for event in events(session, Proposed)]
    assert leaders == ["1", "1", "2", "1"]


def test_instruction_follows_the_question_and_may_be_empty():
    engine = ScriptedEngine(box_answers(42))
    solve(SelfConsistency(n=1), build_session(engine))
    solve(SelfConsistency(n=1, instruction=""), build_session(engine))
    assert "boxed" in engine.calls[0][0].messages[-1].text
    assert engine.calls[1][0].messages[-1].text == "What is 6*7?"
    assert engine.calls[0][0].question == engine.calls[1][0].question == "What is 6*7?"


@given(st.lists(st.sampled_from(["1", "2", "3", None]), min_size=1, max_size=7), st.randoms())
def test_vote_does_not_depend_on_the_order_of_arrival(votes, chance):
    order = list(range(len(votes)))
    chance.shuffle(order)
    engine = ScriptedEngine(box_answers(*votes), pace=lambda call: 0.0005 * order[call])
    shuffled = solve(SelfConsistency(n=len(votes), stop_rule="none"), build_session(engine)).outcome
    straight = solve(
        SelfConsistency(n=len(votes), stop_rule="none"), build_session(ScriptedEngine(box_answers(*votes)))
    ).outcome
    assert shuffled.completion.index == straight.completion.index and shuffled.agreement == straight.agreement


def test_certain_never_changes_the_result():
    for votes in itertools.product("12", repeat=5):
        full = solve(
            SelfConsistency(n=5, stop_rule="none"), build_session(ScriptedEngine(box_answers(*votes)))
        ).outcome.answer.raw
        early = solve(
            SelfConsistency(n=5, stop_rule="certain"), build_session(ScriptedEngine(box_answers(*votes)))
        ).outcome.answer
        assert early.raw == full


def test_random_budgets_never_overspend():
    chance = random.Random(5)
    for _ in range(40):
        tokens, n = chance.randrange(1, 60), chance.randrange(1, 9)
        engine = ScriptedEngine(["a b c d e f g h i j k l m n \\boxed{1}"])
        session = build_session(engine, tokens=tokens)
        solve(SelfConsistency(n=n), session)
        assert engine.decoded <= tokens and usage(session.trace).completion == engine.decoded


@pytest.mark.parametrize(
    ("under_load", "options", "finished"), [(True, {}, 3), (False, {}, 4), (True, {"confidence": 0.95}, 4)]
)
def test_lower_posterior_is_enough_under_load(under_load, options, finished):
    engine = ScriptedEngine(box_answers(42), pace=lambda call: 0.001 + 0.002 * call)
    session = build_session(engine)
    session.budget.under_load = lambda: under_load
    assert solve(SelfConsistency(n=8, stop_rule="beta", **options), session).stopped == "decided"
    assert engine.finished == finished and bool(events(session, Shed)) == (finished == 3)
