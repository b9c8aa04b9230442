"""Prompts that exceed the model's context: the client's, and those that a strategy builds from its candidates."""

from functools import partial

import pytest

from cogitate.strategies.core.scripted import ScriptedEngine
from tests.fakes.backend import ScriptedBackend
from tests.fakes.live_server import live

CONTEXT = 300
"""In words, the scripted engine's tokens. Every candidate is nearly as long."""
SHORT = partial(ScriptedBackend, max_model_len=CONTEXT)
LONG = "so " * 250
STRATEGIES = [
    *({"name": "selection", "n": 3, "method": method} for method in ("universal", "genselect", "knockout")),
    *({"name": "synthesis", "n": 3, "method": method} for method in ("rsa", "pacore", "moa")),
    *({"name": "self_refine", "method": method} for method in ("critique", "verification", "tree")),
    *({"name": "best_of_n", "n": 3, "verifier": verifier} for verifier in ("judge", "graded", "pairwise", "groupwise")),
    *({"name": "best_of_n", "n": 5, "verifier": "pairwise", "pairing": pairing} for pairing in ("pivot", "swiss")),
    {"name": "best_of_n", "n": 3, "verifier": "judge", "rationale_tokens": 20},
    {"name": "self_consistency", "n": 3, "weights": "verifier", "verifier": "judge"},
    {"name": "self_consistency", "n": 3, "weights": "p_true"},
    {"name": "auto", "n": 3},
]


def to_id(strategy: dict[str, object]) -> str:
    return "-".join(map(str, strategy.values()))


@pytest.mark.parametrize("strategy", STRATEGIES, ids=to_id)
def test_a_strategy_answers_without_the_calls_whose_prompts_are_too_long(strategy: dict[str, object]):
    """The usage includes every candidate."""
    engine = ScriptedEngine([f"{LONG}\\boxed{{{answer}}}" for answer in (41, 42, 43)])
    with live(engine, backend=SHORT) as server:
        response = server.ask(strategy=strategy, max_tokens=280)
    assert response.status_code == 200, response.text
    body = response.json()
    assert body["cogitate"]["answer"] in {"41", "42", "43"}
    assert body["usage"]["completion_tokens"] == engine.decoded >= 250


@pytest.mark.parametrize("strategy", [None, *STRATEGIES], ids=lambda strategy: to_id(strategy) if strategy else "none")
def test_a_question_that_is_too_long_is_a_400_before_anything_is_decoded(strategy: dict[str, object] | None):
    engine = ScriptedEngine(["\\boxed{42}"])
    with live(engine, backend=SHORT) as server:
        chosen = {"strategy": strategy} if strategy else {}
        response = server.ask(messages=[{"role": "user", "content": "word " * CONTEXT}], **chosen)
    assert (response.status_code, response.json()["error"]["code"]) == (400, "context_length_exceeded")
    assert not engine.calls
