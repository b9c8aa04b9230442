"""Prompts that do not fit the model's context: the client's own, and those that a strategy makes of its candidates."""

from functools import partial

import pytest

from tests.fakes.live_server import live
from tests.fakes.scripted import ScriptedBackend, ScriptedEngine

CONTEXT = 300
"""Words, as the scripted engine counts. Every candidate has nearly as many."""
SHORT = partial(ScriptedBackend, max_model_len=CONTEXT)
LONG = "so " * 250
STRATEGIES = [
    *({"name": "selection", "n": 3, "method": method} for method in ("universal", "genselect", "knockout")),
    *({"name": "synthesis", "n": 3, "method": method} for method in ("rsa", "pacore", "moa")),
    *({"name": "self_refine", "method": method} for method in ("critique", "verification", "tree")),
    *({"name": "best_of_n", "n": 3, "verifier": verifier} for verifier in ("judge", "pairwise", "groupwise")),
    {"name": "self_consistency", "n": 3, "weights": "verifier", "verifier": "judge"},
    {"name": "self_consistency", "n": 3, "weights": "p_true"},
    {"name": "auto", "n": 3},
]


def named(strategy: dict[str, object]) -> str:
    return "-".join(map(str, strategy.values()))


@pytest.mark.parametrize("strategy", STRATEGIES, ids=named)
def test_what_a_strategy_cannot_ask_costs_that_call_alone(strategy: dict[str, object]):
    """It answers with what it has, and the bill has every candidate."""
    engine = ScriptedEngine([f"{LONG}\\boxed{{{answer}}}" for answer in (41, 42, 43)])
    with live(engine, backend=SHORT) as server:
        answered = server.ask(strategy=strategy, max_tokens=280)
    assert answered.status_code == 200, answered.text
    body = answered.json()
    assert body["cogitate"]["answer"] in {"41", "42", "43"}
    assert body["usage"]["completion_tokens"] == engine.decoded >= 250


@pytest.mark.parametrize("strategy", [None, *STRATEGIES], ids=lambda strategy: named(strategy) if strategy else "none")
def test_a_question_that_is_too_long_is_the_clients_error(strategy: dict[str, object] | None):
    engine = ScriptedEngine(["\\boxed{42}"])
    with live(engine, backend=SHORT) as server:
        chosen = {"strategy": strategy} if strategy else {}
        refused = server.ask(messages=[{"role": "user", "content": "word " * CONTEXT}], **chosen)
    assert (refused.status_code, refused.json()["error"]["code"]) == (400, "context_length_exceeded")
    assert not engine.calls
