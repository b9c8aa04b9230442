"""Parsing strategies from the command line."""

import pytest

from cogitate.server.evaluation.arms import BadArm, parse_arm


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
def test_spec_and_json_parse_to_an_arm_with_its_shortest_name(written: str, name: str):
    assert parse_arm(written).name == name
    assert parse_arm(name).strategy == parse_arm(written).strategy


@pytest.mark.parametrize("written", ["", "magic", "self_consistency:n=0", "self_consistency:n", "{", "beam_search:m=2"])
def test_text_that_names_no_strategy_raises_bad_arm(written: str):
    with pytest.raises(BadArm):
        parse_arm(written)
