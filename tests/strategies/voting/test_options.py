import pytest

from cogitate.strategies.self_consistency import SelfConsistency


@pytest.mark.parametrize(
    ("options", "limit"),
    [
        ({"n": 64}, 8),
        ({"n": 16}, 8),
        ({"n": 8}, 4),
        ({"n": 16, "stop_rule": "predictive"}, 8),
        ({"n": 2}, 2),
        ({"n": 64, "stop_rule": "certain"}, 33),
        ({"n": 16, "stop_rule": "none"}, 16),
        ({"n": 16, "stop_rule": "windows", "window": 3}, 3),
        ({"n": 64, "stop_rule": "consensus", "warmup": 12}, 12),
        ({"n": 16, "concurrency": 2}, 2),
        ({"n": 16, "prefer": "latency"}, 16),
        ({"n": 16, "prefer": "latency", "concurrency": 2}, 2),
    ],
)
def test_most_samples_in_flight_by_stop_rule_and_preference(options, limit):
    strategy = SelfConsistency(**options)
    assert strategy.in_flight == strategy.launch.limit == limit <= strategy.candidates


def test_votes_are_compared_only_where_none_is_weighed_early():
    assert SelfConsistency(stop_rule="none").compares and SelfConsistency(stop_rule="windows").compares
    assert not SelfConsistency(stop_rule="beta").compares


def test_confidence_set_by_the_client_is_not_relaxed_under_load():
    assert SelfConsistency().stop_criteria.relax_under_load
    assert not SelfConsistency(confidence=0.95).stop_criteria.relax_under_load


def test_joint_vote_of_several_models_stops_by_beta_unless_the_client_chooses():
    assert SelfConsistency(models=("a", "b")).stop_rule == "beta"
    assert SelfConsistency(models=("a", "b"), stop_rule="predictive").stop_rule == "predictive"
    assert SelfConsistency().stop_rule == "predictive"
