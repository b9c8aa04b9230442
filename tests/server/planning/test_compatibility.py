"""Verifiers: which strategy may use which, and the 400 that names the option otherwise."""

import pytest

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
