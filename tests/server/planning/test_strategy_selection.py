"""Presets and strategies in the model's name, merged with the body's `strategy`."""

import pytest

from cogitate.server.errors import BadRequest, ModelNotFound
from cogitate.server.planning.strategy_selection import select_strategy
from cogitate.server.protocol.chat import ChatRequest
from cogitate.server.settings import Settings
from cogitate.strategies.core.scripted import ScriptedEngine
from tests.fakes.live_server import live

CAREFUL = {"name": "self_consistency", "n": 6, "stop_rule": "none", "vote_on": ["x"]}
PRESETS = Settings(presets={"careful": CAREFUL, "slow": {"name": "chain_of_thought"}}).presets
NAMED = {"name": "self_consistency"}


def select(strategy, model="tiny@careful"):
    request = ChatRequest(model=model, messages=[{"role": "user", "content": "hello"}], strategy=strategy)
    return select_strategy(request, "tiny", PRESETS)


@pytest.mark.parametrize(
    "strategy",
    [
        None,
        "self_consistency",
        "careful",
        NAMED,
        {},
        {"name": "careful"},
        {"n": 6},
        NAMED | {"n": 6, "stop_rule": "none"},
        {"vote_on": ["x"]},
    ],
    ids=str,
)
def test_body_that_agrees_with_the_preset_selects_the_preset(strategy):
    assert select(strategy) == PRESETS["careful"]


def test_body_adds_options_that_the_preset_leaves_open():
    both = select(NAMED | {"concurrency": 2, "return_candidates": True})
    assert (both.n, both.stop_rule, both.concurrency, both.return_candidates) == (6, "none", 2, True)
    assert {"n", "stop_rule", "concurrency"} <= both.model_fields_set and "confidence" not in both.model_fields_set


@pytest.mark.parametrize(
    ("strategy", "param", "words"),
    [
        (NAMED | {"n": 2}, "strategy.n", "n differs from its value in careful"),
        ({"n": 2}, "strategy.n", "in careful"),
        (NAMED | {"stop_rule": "beta"}, "strategy.stop_rule", "stop_rule"),
        (NAMED | {"vote_on": ["y"]}, "strategy.vote_on", "vote_on"),
        (NAMED | {"n": 0}, "strategy.n", "greater than or equal to 1"),
        (NAMED | {"sampels": 2}, "strategy.sampels", "Unknown parameter"),
        ("best_of_n", "strategy", "model names the strategy careful"),
        ("slow", "strategy", "another one"),
        ({"name": None}, "strategy", "another one"),
        ({"name": ["x"]}, "strategy", "another one"),
    ],
    ids=str,
)
def test_option_that_contradicts_the_preset_is_rejected_by_name(strategy, param, words):
    with pytest.raises(BadRequest) as refused:
        select(strategy)
    assert refused.value.param == param and words in refused.value.message


def test_body_gives_options_to_the_strategy_of_the_model_name():
    assert select({"n": 3}, "tiny@self_consistency") == select(NAMED | {"n": 3}, "tiny")
    with pytest.raises(BadRequest):
        select({"n": 3}, "tiny")


@pytest.mark.live
def test_preset_and_sample_budget_header_are_merged_over_http():
    with live(ScriptedEngine(["\\boxed{1}"]), presets={"careful": CAREFUL, "open": NAMED}) as server:

        def ask(model, headers=None, **fields):
            return server.ask(model=f"scripted@{model}", cache="no-store", headers=headers, **fields)

        assert ask("careful", strategy="self_consistency").json()["cogitate"]["candidates"] == 6
        assert ask("careful", strategy=NAMED | {"n": 2}).json()["error"]["param"] == "strategy.n"
        assert ask("careful", {"X-ITS-Budget": "6"}).json()["cogitate"]["candidates"] == 6
        refused = ask("careful", {"X-ITS-Budget": "3"})
        assert refused.status_code == 400 and "n differs" in refused.json()["error"]["message"]
        assert ask("open", {"X-ITS-Budget": "3"}).json()["cogitate"]["candidates"] == 2, "of 3, two that agree decide"


@pytest.mark.parametrize(("model", "has_hint"), [("tiny@self-consistency", True), ("other", False)])
def test_model_name_with_a_wrong_strategy_says_where_the_names_are(model, has_hint):
    with pytest.raises(ModelNotFound) as refused:
        select(None, model=model)
    assert refused.value.param == "model" and ("GET /v1/models" in refused.value.message) == has_hint
