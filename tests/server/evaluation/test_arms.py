"""Strategies as people write them."""

import pytest

from cogitate.server.evaluation.arms import BadArm, arm


@pytest.mark.parametrize(
    ("written", "name"),
    [
        ("self_consistency", "self_consistency"),
        ("self_consistency:n=16,stop_rule=none", "self_consistency:n=16,stop_rule=none"),
        (
            '{"name": "best_of_n", "weighted": true, "verifier": "confidence"}',
            "best_of_n:verifier=confidence,weighted=true",
        ),
        ("self_consistency:n=8", "self_consistency"),
    ],
)
def test_a_strategy_has_one_name(written: str, name: str):
    assert arm(written).name == name
    assert arm(name).strategy == arm(written).strategy


@pytest.mark.parametrize("written", ["", "magic", "self_consistency:n=0", "self_consistency:n", "{", "beam_search:m=2"])
def test_what_is_none_is_refused_in_one_line(written: str):
    with pytest.raises(BadArm):
        arm(written)
