"""Which verifier may be named where: a plan, or a 400 that names the option."""

import pytest

from tests.server.planning.test_plan import planned, refusal

SIDE_BY_SIDE = ["pairwise", "groupwise", "programmatic+pairwise"]


@pytest.mark.parametrize("verifier", SIDE_BY_SIDE)
@pytest.mark.parametrize(
    "strategy",
    [{"name": "best_of_n"}, {"name": "self_consistency", "weights": "verifier", "stop_rule": "none"}],
)
def test_candidates_may_be_judged_side_by_side_where_all_are_there(strategy, verifier):
    assert planned(strategy=strategy | {"verifier": verifier}).strategy.verifiers == (verifier,)


@pytest.mark.parametrize("verifier", SIDE_BY_SIDE)
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
def test_a_score_of_one_alone_cannot_be_had_side_by_side(strategy, verifier):
    refused = refusal(strategy=strategy | {"verifier": verifier})
    assert refused.status == 400 and refused.param == "strategy.verifier" and verifier in refused.message


@pytest.mark.parametrize("name", ["beam_search", "dvts", "particle_filter"])
@pytest.mark.parametrize("verifier", ["number", "json", "number+judge"])
def test_a_step_is_no_answer_whose_form_could_be_checked(name, verifier):
    refused = refusal(strategy={"name": name, "verifier": verifier})
    assert (refused.status, refused.param) == (400, "strategy.verifier") and "not yet whole" in refused.message


def test_comparing_many_counts_against_the_limit_of_cost():
    alike = {"name": "best_of_n", "n": 64}
    assert planned(strategy=alike | {"verifier": "pairwise"}).cost - planned(strategy=alike).cost == 64 * 16 - 64


@pytest.mark.parametrize("verifier", SIDE_BY_SIDE)
def test_no_more_are_compared_than_can_be_read(verifier):
    refused = refusal(strategy={"name": "best_of_n", "n": 65, "verifier": verifier})
    assert (refused.status, refused.param) == (400, "strategy.n") and "64" in refused.message


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
def test_a_check_and_what_it_checks_by_come_together(changed, param):
    refused = refusal(strategy=CHECKED | changed)
    assert (refused.status, refused.param) == (400, param)


@pytest.mark.parametrize(
    "strategy",
    [
        CHECKED,
        CHECKED | {"verifier": "json_schema+regex+pairwise", "json_schema": {"type": "array", "items": {}}},
        CHECKED | {"name": "self_consistency", "weights": "verifier"},
        CHECKED | {"name": "self_refine"},
    ],
)
def test_checks_may_be_chained(strategy):
    assert planned(strategy=strategy).strategy.verifiers == (strategy["verifier"],)
