import pytest

from cogitate.strategies.self_consistency import SelfConsistency


@pytest.mark.parametrize(
    ("options", "limit", "limit_under_load"),
    [
        ({"n": 16}, 6, 4),
        ({"n": 16, "stop_rule": "predictive"}, 4, 3),
        ({"n": 4}, 4, 4),
        ({"n": 16, "stop_rule": "none"}, 16, 16),
        ({"n": 16, "stop_rule": "windows", "window": 3}, 3, 3),
        ({"n": 16, "concurrency": 2}, 2, 2),
    ],
)
def test_default_concurrency_by_stop_rule_and_load(options, limit, limit_under_load):
    strategy = SelfConsistency(**options)
    assert strategy.concurrency_limit() == limit == strategy.in_flight <= strategy.candidates
    assert strategy.concurrency_limit(under_load=True) == limit_under_load


def test_votes_are_compared_only_where_none_is_weighed_early():
    assert SelfConsistency(stop_rule="none").compares and SelfConsistency(stop_rule="windows").compares
    assert not SelfConsistency(stop_rule="beta").compares


def test_confidence_set_by_the_client_is_not_relaxed_under_load():
    assert SelfConsistency().criteria.relax_under_load
    assert not SelfConsistency(confidence=0.95).criteria.relax_under_load
