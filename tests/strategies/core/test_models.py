import pytest
from pydantic import ValidationError

from cogitate.strategies import parse
from cogitate.strategies.core.events import Failed, Started
from cogitate.strategies.core.model_usage import usage_by_model
from cogitate.strategies.core.models import EnginesByModel, interleave
from cogitate.strategies.core.ports import SampleFailed
from cogitate.strategies.core.prompt import Message, Prompt
from cogitate.strategies.core.scripted import ScriptedEngine
from cogitate.strategies.core.trace import usage
from cogitate.strategies.self_consistency import SelfConsistency
from tests.fakes.run import QUESTION, build_session, events, solve

RIGHT, WRONG = "so it is \\boxed{42}", "perhaps \\boxed{41}"


def engines(**by_name):
    return EnginesByModel({"": ScriptedEngine([WRONG]), **by_name})


def run(models, *, small=(RIGHT,), large=(RIGHT,), **options):
    strategy = parse.validate_python({"name": "self_consistency", "models": models, **options})
    own = engines(small=ScriptedEngine(list(small)), large=ScriptedEngine(list(large)))
    session = build_session(own)
    finished = solve(strategy, session)
    return finished, session, {name: len(engine.calls) for name, engine in own.engines.items()}


def counted(*shares):
    return [{"model": name, "n": n} for name, n in zip(("small", "large"), shares, strict=False)]


def test_next_model_is_not_asked_where_the_first_decides_the_joint_vote():
    finished, _, calls = run(counted(4, 8))
    assert (finished.outcome.answer.raw, finished.stopped, calls) == ("42", "decided", {"": 0, "small": 4, "large": 0})


def test_next_model_is_asked_where_the_vote_is_open_and_the_votes_are_counted_together():
    finished, session, calls = run(counted(4, 8), small=[RIGHT, WRONG], concurrency=1)
    assert calls[""] == 0
    assert (finished.outcome.answer.raw, finished.outcome.agreement) == ("42", 7 / 9)
    by_model = usage_by_model(session.trace, "own")
    assert {name: one.candidates for name, one in by_model.items()} == {"small": 4, "large": 5}
    assert sum(one.completion for one in by_model.values()) == usage(session.trace).completion


def test_outstanding_votes_of_the_next_model_keep_the_certain_rule_from_stopping():
    _, _, calls = run(counted(4, 8), stop_rule="certain", concurrency=1)
    assert (calls["small"], calls["large"]) == (4, 3)


def test_together_draws_from_all_models_in_turns():
    _, session, calls = run(counted(2, 6), order="together", stop_rule="none", concurrency=1)
    assert (calls["small"], calls["large"]) == (2, 6)
    drawn = [event.model for event in session.trace if isinstance(event, Started)]
    assert drawn[:5] == ["small", "large", "small", "large", "large"]


def test_names_alone_share_n_and_the_last_has_the_rest():
    strategy = SelfConsistency.model_validate({"n": 8, "models": ["a", "b", "c"]})
    assert strategy.shares == (2, 3, 3)
    assert SelfConsistency.model_validate({"n": 8, "models": [{"model": "a", "n": 5}, "b"]}).shares == (5, 3)
    assert SelfConsistency.model_validate({"models": counted(4, 8)}).n == 12


def test_lost_model_leaves_the_vote_to_the_next_one():
    strategy = SelfConsistency.model_validate({"models": counted(4, 8)})
    own = engines(small=ScriptedEngine([SampleFailed("down")]), large=ScriptedEngine([RIGHT]))
    session = build_session(own)
    assert solve(strategy, session).outcome.answer.raw == "42"
    assert {event.model for event in events(session, Failed)} == {"small"}
    assert usage_by_model(session.trace, "own")["small"].failures == ["down"] * 4


def test_last_model_that_fails_leaves_the_vote_of_the_earlier_ones():
    strategy = SelfConsistency.model_validate({"models": counted(3, 4)})
    own = engines(small=ScriptedEngine([RIGHT, WRONG, RIGHT]), large=ScriptedEngine([SampleFailed("down")]))
    assert solve(strategy, build_session(own)).outcome.answer.raw == "42"


def test_first_failure_is_raised_where_every_model_fails():
    strategy = SelfConsistency.model_validate({"models": counted(2, 2)})
    own = engines(small=ScriptedEngine([SampleFailed("small")]), large=ScriptedEngine([SampleFailed("large")]))
    with pytest.raises(SampleFailed):
        solve(strategy, build_session(own))


def test_verifier_model_judges_in_place_of_the_requests_own():
    strategy = SelfConsistency.model_validate(
        {"models": counted(2, 2), "weights": "verifier", "verifier_model": "judge", "stop_rule": "none"}
    )
    own = engines(small=ScriptedEngine([RIGHT]), large=ScriptedEngine([WRONG]), judge=ScriptedEngine(["Yes"]))
    solve(strategy, build_session(own, verifier_model="judge"))
    assert (len(own.engines["judge"].calls), len(own.engines[""].calls)) == (4, 0)


def test_each_model_pays_for_the_shared_prompt_once():
    _, session, _ = run(counted(2, 2), stop_rule="none")
    own = len(ScriptedEngine([RIGHT]).prompt_ids(SelfConsistency().instruct(QUESTION)))
    assert usage(session.trace).prompt == 2 * own


def test_continuation_stays_with_the_model_that_began():
    prompt = Prompt((Message("user", "?"),)).to_model("large")
    assert prompt.prefill("x").model == prompt.instruct("y").model == "large"
    assert prompt.to_model("") is prompt


def test_interleaving_ends_with_what_the_longest_has_left():
    small, large = Prompt(()).to_model("s"), Prompt(()).to_model("l")
    assert [one.model for one in interleave([[small], [large] * 3])] == ["s", "l", "l", "l"]


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"models": ["a", "a"]}, "twice"),
        ({"models": ["a", "b"], "n": 1}, "at least 2"),
        ({"models": counted(4, 8), "n": 16}, "not the sum"),
        ({"order": "together"}, "only with models"),
        ({"models": ["a", "b"], "weights": "p_true"}, "confidence"),
        ({"models": ["a", "b"], "floor": "low"}, "confidence"),
        ({"models": [{"model": "a", "n": 0}]}, "greater than"),
        ({"models": [{"name": "a"}]}, "model"),
        ({"models": [""]}, "at least 1"),
        ({"models": "small"}, "valid tuple"),
        ({"models": [f"m{at}" for at in range(9)]}, "at most 8"),
        ({"models": ["a", 3]}, "models"),
        ({"verifier_model": "a", "verifier": "judge"}, "weights verifier"),
    ],
)
def test_models_that_cannot_be_honoured_are_refused(options, reason):
    with pytest.raises(ValidationError, match=reason):
        SelfConsistency.model_validate(options)
