import pytest
from hypothesis import given
from hypothesis import strategies as st

from cogitate.strategies.core.aggregation import reduce_steps


@pytest.mark.parametrize(("how", "expected"), [("last", 0.4), ("min", 0.4), ("prod", 0.9 * 0.5 * 0.4), ("mean", 0.6)])
def test_reduce_steps_aggregates_by_each_rule(how, expected):
    assert reduce_steps([0.9, 0.5, 0.4], how) == pytest.approx(expected)


@given(st.lists(st.floats(), max_size=5), st.sampled_from(["last", "min", "prod", "mean"]))
def test_aggregated_score_is_always_between_0_and_1(steps, how):
    score = reduce_steps(steps, how)
    assert 0.0 <= score <= 1.0 if steps else score is None
