"""Verifiers: which strategy may use which, and the 400 that names the option otherwise."""

from dataclasses import dataclass, replace

import pytest

from cogitate.server.errors import UnsupportedParameter
from cogitate.server.planning.verifier_checks import check_rationale
from cogitate.server.settings import Settings
from cogitate.strategies.best_of_n import BestOfN
from cogitate.strategies.core.programs import NoPrograms
from cogitate.strategies.core.scripted import ScriptedVerifier
from tests.server.planning.test_plan import make_plan, refusal

COMPARATIVE = ["pairwise", "groupwise", "programmatic+pairwise"]


@pytest.mark.parametrize("verifier", COMPARATIVE)
@pytest.mark.parametrize(
    "strategy",
    [{"name": "best_of_n"}, {"name": "self_consistency", "weights": "verifier", "stop_rule": "none"}],
)
def test_comparative_verifier_works_where_all_candidates_are_compared_at_once(strategy, verifier):
    assert make_plan(strategy=strategy | {"verifier": verifier}).strategy.verifiers == (verifier,)


@pytest.mark.parametrize("verifier", COMPARATIVE)
@pytest.mark.parametrize(
    "strategy",
    [
        {"name": "beam_search"},
        {"name": "dvts"},
        {"name": "particle_filter"},
        {"name": "self_refine"},
        {"name": "self_consistency", "weights": "verifier"},
    ],
)
def test_comparative_verifier_is_rejected_where_each_candidate_needs_a_score(strategy, verifier):
    error = refusal(strategy=strategy | {"verifier": verifier})
    assert error.status == 400 and error.param == "strategy.verifier" and verifier in error.message


@pytest.mark.parametrize("name", ["beam_search", "dvts", "particle_filter"])
@pytest.mark.parametrize("verifier", ["number", "json", "number+judge"])
def test_format_check_is_rejected_by_stepwise_search(name, verifier):
    error = refusal(strategy={"name": name, "verifier": verifier})
    assert (error.status, error.param) == (400, "strategy.verifier") and "needs the complete answer" in error.message


def test_comparisons_count_towards_the_cost():
    options = {"name": "best_of_n", "n": 64}
    assert (
        make_plan(strategy=options | {"verifier": "pairwise"}).cost - make_plan(strategy=options).cost == 64 * 16 - 64
    )


@pytest.mark.parametrize("verifier", COMPARATIVE)
def test_more_candidates_than_can_be_compared_are_rejected(verifier):
    error = refusal(strategy={"name": "best_of_n", "n": 65, "verifier": verifier})
    assert (error.status, error.param) == (400, "strategy.n") and "64" in error.message


CHECKED = {"name": "best_of_n", "verifier": "regex+judge", "pattern": "a+"}


@pytest.mark.parametrize(
    ("changed", "param"),
    [
        ({"pattern": None}, "strategy.pattern"),
        ({"pattern": "("}, "strategy.pattern"),
        ({"pattern": ""}, "strategy.pattern"),
        ({"pattern": "(?:(?:a|aa){0,100}){0,100}"}, "strategy.pattern"),
        ({"verifier": "judge"}, "strategy.pattern"),
        ({"verifier": "regex+json_schema"}, "strategy.json_schema"),
        ({"json_schema": {"type": "object"}}, "strategy.json_schema"),
        ({"verifier": "regex+json_schema", "json_schema": {"type": "text"}}, "strategy.json_schema"),
        ({"verifier": "regex+json_schema", "json_schema": {"$ref": "http://a/b"}}, "strategy.json_schema"),
        ({"name": "beam_search"}, "strategy.verifier"),
        ({"name": "self_consistency"}, "strategy"),
    ],
)
def test_verifier_without_its_option_and_option_without_its_verifier_are_rejected(changed, param):
    error = refusal(strategy=CHECKED | changed)
    assert (error.status, error.param) == (400, param)


@pytest.mark.parametrize(
    "strategy",
    [
        CHECKED,
        CHECKED | {"verifier": "json_schema+regex+pairwise", "json_schema": {"type": "array", "items": {}}},
        CHECKED | {"name": "self_consistency", "weights": "verifier"},
        CHECKED | {"name": "self_refine"},
    ],
)
def test_checks_can_be_chained(strategy):
    assert make_plan(strategy=strategy).strategy.verifiers == (strategy["verifier"],)


@pytest.mark.parametrize(
    ("options", "param"),
    [
        ({"criteria": ["is short"]}, "strategy.criteria"),
        ({"criteria": ["is short"], "verifier": "pairwise"}, "strategy.criteria"),
        ({"criteria": [""], "verifier": "graded"}, "strategy.criteria.0"),
        ({"criteria": ["x"] * 9, "verifier": "graded"}, "strategy.criteria"),
        ({"pairing": "swiss"}, "strategy.pairing"),
        ({"pairing": "knockout", "verifier": "pairwise"}, "strategy.pairing"),
        ({"rationale_tokens": 50, "verifier": "graded"}, "strategy.rationale_tokens"),
        ({"rationale_tokens": 5000}, "strategy.rationale_tokens"),
        ({"test_samples": 4}, "strategy.test_samples"),
        ({"name": "beam_search", "verifier": "agreement"}, "strategy.verifier"),
        ({"name": "self_refine", "verifier": "agreement"}, "strategy.verifier"),
        ({"name": "self_consistency", "pairing": "pivot"}, "strategy"),
        ({"name": "self_consistency", "weights": "verifier", "verifier": "pairwise"}, "strategy.verifier"),
    ],
)
def test_option_that_adjusts_another_verifier_is_rejected_by_name(options, param):
    error = refusal(strategy={"name": "best_of_n"} | options)
    assert (error.status, error.param) == (400, param)


@pytest.mark.parametrize(
    "options",
    [
        {"verifier": "graded", "criteria": ["is right", "is short"]},
        {"verifier": "number+graded", "criteria": ["is right"]},
        {"name": "self_refine", "verifier": "graded", "criteria": ["is kind"]},
        {"name": "beam_search", "verifier": "graded"},
        {"name": "self_consistency", "weights": "verifier", "verifier": "graded"},
        {"name": "self_consistency", "weights": "verifier", "rationale_tokens": 100},
        {"verifier": "pairwise", "pairing": "swiss"},
        {"pairing": "all"},
        {"rationale_tokens": 100},
    ],
)
def test_options_of_verifiers_are_accepted_with_them(options):
    assert make_plan(strategy={"name": "best_of_n"} | options)


@pytest.mark.parametrize(
    ("options", "verdicts"),
    [
        ({"verifier": "graded"}, 16),
        ({"verifier": "graded", "criteria": ["is right", "is short"]}, 32),
        ({"verifier": "pairwise"}, 240),
        ({"verifier": "pairwise", "pairing": "pivot"}, 45),
        ({"verifier": "pairwise", "pairing": "swiss"}, 48),
        ({"verifier": "judge", "rationale_tokens": 100}, 16 * 101),
    ],
)
def test_every_verdict_counts_towards_the_cost(options, verdicts):
    strategy = {"name": "best_of_n", "n": 16}
    without = make_plan(strategy=strategy | {"verifier": "programmatic"}).cost
    assert make_plan(strategy=strategy | options).cost == without + verdicts


def test_agreement_needs_a_sandbox_and_a_run_for_each_candidate():
    strategy = {"name": "best_of_n", "n": 12, "verifier": "agreement", "test_samples": 3}
    assert make_plan(strategy=strategy).strategy.program_runs == 12
    error = refusal(strategy=strategy, settings=Settings(code_exec="off"))
    assert (error.status, error.param) == (400, "strategy") and "--code-exec" in error.message


@dataclass(frozen=True)
class GenerativeReward(ScriptedVerifier):
    """A reward model that writes rationales."""

    rationale_tokens: int = 0

    def with_rationale(self, tokens):
        return replace(self, rationale_tokens=tokens)


def test_rationale_is_refused_where_the_reward_model_writes_none():
    strategy = BestOfN(verifier="reward", rationale_tokens=50)
    with pytest.raises(UnsupportedParameter) as refused:
        check_rationale(strategy, strategy.build_verifiers({"reward": ScriptedVerifier(len)}, NoPrograms()))
    assert refused.value.param == "strategy.rationale_tokens"
    verifiers = strategy.build_verifiers({"reward": GenerativeReward(len)}, NoPrograms())
    check_rationale(strategy, verifiers)
    assert verifiers["reward"].rationale_tokens == 50
