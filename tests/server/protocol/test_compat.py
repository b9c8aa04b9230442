"""Translation of other servers' fields, and errors for those without a counterpart."""

import pytest
from starlette.datastructures import Headers

from cogitate.server.errors import BadRequest
from cogitate.server.protocol.compat import translate
from cogitate.strategies.core.scripted import ScriptedEngine
from tests.fakes.live_server import live


def translate_body(headers=None, **body):
    return translate(body, Headers(headers or {}), {"m"})


@pytest.mark.parametrize(
    ("body", "strategy"),
    [
        ({"optillm_approach": "bon"}, {"name": "best_of_n"}),
        ({"optillm_approach": "self_consistency"}, {"name": "self_consistency"}),
        ({"tts_strategy": "beam_search", "tts_scorer": "prm"}, {"name": "beam_search", "verifier": "reward"}),
        ({"budget": 4}, {"name": "self_consistency", "n": 4}),
        ({"budget": 4, "strategy": "best_of_n"}, {"name": "best_of_n", "n": 4}),
        ({"budget": 4, "model": "m@best_of_n"}, {"n": 4}),
        ({"budget": 4, "model": "a@b"}, {"name": "self_consistency", "n": 4}),
        ({"tts_scorer": "prm", "model": "m@best_of_n"}, {"verifier": "reward"}),
        ({"optillm_approach": "bon", "model": "m@best_of_n"}, {"name": "best_of_n"}),
        ({"optillm_approach": "bon", "strategy": {"name": "best_of_n", "n": 2}}, {"name": "best_of_n", "n": 2}),
    ],
)
def test_foreign_field_becomes_a_strategy_option(body, strategy):
    translated = translate_body(**body)
    assert translated.pop("strategy") == strategy
    assert set(translated) <= {"model"}


@pytest.mark.parametrize(
    "body", [{"optillm_approach": "none"}, {"optillm_approach": "proxy"}, {"tts_strategy": "baseline"}]
)
def test_foreign_name_for_no_strategy_selects_none(body):
    assert translate_body(**body) == {}
    assert translate_body(**body, model="a@b") == {"model": "a@b"}


def test_budget_header_overrides_the_body():
    assert translate_body({"X-ITS-Budget": "16"}, budget=4) == {"strategy": {"name": "self_consistency", "n": 16}}


def test_budget_object_is_not_translated():
    ours = {"budget": {"seconds": 2}, "strategy": "self_consistency"}
    assert translate_body(**ours) == ours


@pytest.mark.parametrize(
    ("headers", "body", "param"),
    [
        ({}, {"optillm_approach": "moa&bon"}, "optillm_approach"),
        ({}, {"optillm_approach": ["bon"]}, "optillm_approach"),
        ({}, {"tts_strategy": "adaptive"}, "tts_strategy"),
        ({}, {"tts_scorer": "entropy"}, "tts_scorer"),
        ({}, {"optillm_approach": "bon", "strategy": "self_consistency"}, "optillm_approach"),
        ({}, {"optillm_approach": "bon", "strategy": 7}, "optillm_approach"),
        ({}, {"budget": 4, "strategy": {"name": "self_consistency", "n": 8}}, "budget"),
        ({}, {"optillm_approach": "none", "strategy": "best_of_n"}, "optillm_approach"),
        ({}, {"optillm_approach": "proxy", "model": "m@best_of_n"}, "optillm_approach"),
        ({}, {"tts_strategy": "baseline", "strategy": {"name": "best_of_n"}}, "tts_strategy"),
        ({"X-ITS-Budget": "many"}, {}, "X-ITS-Budget"),
        ({"X-ITS-Budget": "9" * 5000}, {}, "X-ITS-Budget"),
        ({}, {"budget": "9" * 5000}, "budget"),
        ({"X-ITS-Budget": "-3"}, {}, "X-ITS-Budget"),
        ({"X-ITS-Endpoint": "http://evil"}, {}, "x-its-endpoint"),
        ({"X-ITS-API-Key": "k"}, {}, "x-its-api-key"),
    ],
)
def test_field_without_counterpart_or_with_a_contradiction_is_rejected_by_name(headers, body, param):
    with pytest.raises(BadRequest) as refused:
        translate_body(headers, **body)
    assert refused.value.param == param


@pytest.mark.parametrize("body", [None, [], "x", 3])
def test_body_that_is_no_object_is_unchanged(body):
    assert translate(body, Headers({}), {"m"}) == body


@pytest.mark.live
def test_foreign_fields_work_over_http():
    with live(ScriptedEngine(["\\boxed{1}"])) as server:
        body = server.ask(headers={"X-ITS-Budget": "3"}).json()
        assert (body["cogitate"]["strategy"], body["cogitate"]["candidates"]) == ("self_consistency", 2)  # decided
        assert server.ask(optillm_approach="bon").json()["cogitate"]["strategy"] == "best_of_n"
        named = server.ask(headers={"X-ITS-Budget": "3"}, model="scripted@best_of_n").json()["cogitate"]
        assert (named["strategy"], named["candidates"]) == ("best_of_n", 3)
        refused = server.ask(optillm_approach="none", model="scripted@best_of_n")
        assert (refused.status_code, refused.json()["error"]["param"]) == (400, "optillm_approach")
        assert server.ask(headers={"X-ITS-Budget": "1000000"}).json()["error"]["param"] == "strategy.n"
