"""The confidence threshold (`floor`): how a response shows samples that fell below it, and which options it needs."""

import pytest

from cogitate.server.engine import ModelCard
from cogitate.strategies.core.scripted import ScriptedEngine
from tests.fakes.live_server import live
from tests.server.planning.test_plan import make_plan, refusal

WORDS = "word " * 40
VOTE = {"name": "self_consistency", "n": 4, "weights": "confidence", "stop_rule": "none", "floor": "high", "warmup": 2}


@pytest.mark.live
def test_samples_below_the_threshold_are_billed_and_shown_as_unsure():
    engine = ScriptedEngine([WORDS + "\\boxed{42}"], logprob=lambda call: -9.0 if call < 2 else -1.0)
    with live(engine) as server:
        body = server.ask(strategy=VOTE | {"return_candidates": True}, n=4, seed=1).json()
    ours = body["cogitate"]
    assert (ours["answer"], ours["stopped"], ours["candidates"], ours["aborted"]) == ("42", "completed", 2, 2)
    assert body["usage"]["completion_tokens"] == engine.decoded
    assert [sample["finish_reason"] for sample in ours["samples"]] == ["stop", "stop", "unsure", "unsure"]
    assert [sample["answer"] for sample in ours["samples"]] == ["42", "42", None, None]
    assert [choice["finish_reason"] for choice in body["choices"]] == ["stop", "stop", "length", "length"]


def test_a_threshold_needs_an_engine_with_log_probabilities():
    blind = ModelCard("tiny", "r1", 4096, 0, frozenset({"continue", "seed"}))
    assert refusal(card=blind, strategy=VOTE | {"weights": "none"}).param == "strategy"
    assert make_plan(strategy=VOTE).sampling.logprobs == 5


@pytest.mark.parametrize(
    ("change", "param"),
    [
        ({"floor": "lowest"}, "strategy.floor"),
        ({"warmup": 0}, "strategy.warmup"),
        ({"warmup": 257}, "strategy.warmup"),
        ({"floor": "none"}, "strategy"),
    ],
)
def test_an_invalid_option_is_a_400_with_its_param(change, param):
    assert refusal(strategy=VOTE | change).param == param


def test_program_aided_accepts_only_stop_rules_on_counts():
    for rule in ("windows", "consensus"):
        assert refusal(strategy={"name": "program_aided", "stop_rule": rule}).param == "strategy.stop_rule"
