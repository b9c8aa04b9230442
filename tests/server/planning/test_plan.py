"""Plans: strategy and model names, cost, cache keys, and errors that name their field."""

import itertools
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from cogitate.server.auth.caller import Caller
from cogitate.server.engine import ModelCard
from cogitate.server.errors import ApiError, BadRequest, ModelNotFound, UnsupportedParameter
from cogitate.server.planning.request_plan import build_plan
from cogitate.server.protocol.chat import ChatRequest
from cogitate.server.protocol.validation import to_bad_request
from cogitate.server.settings import Settings
from cogitate.strategies import STRATEGIES
from cogitate.strategies.verifiers import BUILT_IN

CARD = ModelCard("tiny", "r1", 4096, 0)
HELLO = {"model": "tiny", "messages": [{"role": "user", "content": "hello"}]}


def make_plan(card=CARD, tenant="", settings=None, verifiers=BUILT_IN, **fields):
    request = ChatRequest.model_validate(HELLO | fields)
    return build_plan(request, card, settings or Settings(code_exec="bwrap"), verifiers, Caller(tenant))


def refusal(**fields):
    with pytest.raises(ApiError) as raised:
        make_plan(**fields)
    return raised.value


def test_plain_request_has_no_strategy():
    assert make_plan().strategy is None and make_plan().strategy_name == "none"


@pytest.mark.parametrize("name", sorted(STRATEGIES))
def test_body_or_model_name_selects_the_strategy(name):
    by_name = make_plan(strategy=name).strategy
    assert by_name == make_plan(strategy={"name": name}).strategy == make_plan(model=f"tiny@{name}").strategy
    assert by_name == make_plan(model=f"tiny@{name}", strategy={"name": name}).strategy


def test_body_and_model_that_name_different_strategies_are_rejected():
    assert refusal(model="tiny@best_of_n", strategy="self_consistency").param == "strategy"


@pytest.mark.parametrize(
    "model", ["other", "", "tiny@", "tiny@nothing", "@self_consistency", "TINY", "tiny@best_of_n@x"]
)
def test_unknown_model_is_a_404(model):
    raised = refusal(model=model)
    assert isinstance(raised, ModelNotFound) and (raised.status, raised.code) == (404, "model_not_found")


def test_model_name_may_contain_an_at_sign():
    assert make_plan(card=ModelCard("a@b", "1", 10, 0), model="a@b").strategy is None
    assert make_plan(card=ModelCard("a@b", "1", 4096, 0), model="a@b@best_of_n").strategy_name == "best_of_n"


@pytest.mark.parametrize(
    ("strategy", "param", "code"),
    [
        ({"name": "self_consistency", "sampels": 4}, "strategy.sampels", "unknown_parameter"),
        ({"name": "self_consistency", "n": 0}, "strategy.n", "value_below_min_value"),
        ({"name": "self_consistency", "n": 10**9}, "strategy.n", "value_above_max_value"),
        ({"name": "self_consistency", "n": True}, "strategy.n", "invalid_type"),
        ({"name": "self_consistency", "n": "8"}, "strategy.n", "invalid_type"),
        ({"name": "self_consistency", "stop_rule": "maybe"}, "strategy.stop_rule", "invalid_value"),
        ({"name": "magic"}, "strategy", "invalid_value"),
        ({}, "strategy", "invalid_value"),
        ({"name": "beam_search", "n": 5, "width": 2}, "strategy", "invalid_value"),
        ({"name": "best_of_n", "verifier": "oracle"}, "strategy.verifier", None),
    ],
)
def test_error_names_the_wrong_strategy_option(strategy, param, code):
    raised = refusal(strategy=strategy)
    assert isinstance(raised, BadRequest) and (raised.param, raised.code) == (param, code)


@pytest.mark.parametrize(
    ("field", "value"), [("n", 9), ("echo", True), ("continue_final_message", True), ("return_token_ids", True)]
)
def test_field_without_effect_under_a_strategy_is_rejected_by_name(field, value):
    raised = refusal(strategy="self_consistency", **{field: value})
    assert isinstance(raised, UnsupportedParameter) and raised.param == field
    assert make_plan(**{field: value}).strategy is None


def test_response_format_is_rejected_by_stepwise_search_and_voted_on_as_json():
    assert refusal(strategy="beam_search", response_format={"type": "json_object"}).param == "response_format"
    voted = make_plan(strategy="self_consistency", response_format={"type": "json_object"})
    assert voted.strategy.answer_format == "json" and voted.prompt.messages[-1].text == "hello"


def test_request_temperature_overrides_the_strategy_default():
    assert make_plan(strategy="self_consistency").sampling.temperature == 0.7
    assert make_plan(strategy="self_consistency", temperature=0).sampling.temperature == 0
    assert make_plan(strategy="chain_of_thought").sampling.temperature == 0


def test_logprobs_cover_what_client_and_verifier_need():
    assert make_plan(strategy="best_of_n").sampling.logprobs is None
    assert make_plan(strategy={"name": "best_of_n", "verifier": "confidence"}).sampling.logprobs == 5
    assert make_plan(strategy="best_of_n", logprobs=True).sampling.logprobs == 0
    asked = make_plan(strategy={"name": "best_of_n", "verifier": "confidence"}, logprobs=True, top_logprobs=9)
    assert asked.sampling.logprobs == 9


def test_cost_above_the_limit_is_rejected_with_both_numbers():
    assert make_plan(strategy={"name": "self_consistency", "n": 4}, max_tokens=10).cost == 40
    raised = refusal(strategy={"name": "self_consistency", "n": 200}, max_tokens=100_000)
    assert raised.code == "cost_exceeded" and "20000000" in raised.message and "1000000" in raised.message
    assert (
        make_plan(strategy={"name": "self_consistency", "n": 200}, max_tokens=100_000, budget={"tokens": 9}).cost == 9
    )


@pytest.mark.parametrize(
    ("context", "fields", "limit", "cost"),
    [
        (4096, {}, None, 4096),
        (1_010_000, {}, 1_000_000, 1_000_000),
        (131_072, {"n": 8}, 125_000, 1_000_000),
        (131_072, {"n": 7}, None, 917_504),
        (1_010_000, {"max_tokens": 50}, 50, 50),
        (1_010_000, {"max_completion_tokens": 50, "n": 3}, 50, 150),
    ],
)
def test_plain_chat_without_a_limit_gets_the_affordable_one(context, fields, limit, cost):
    long = make_plan(card=ModelCard("tiny", "r1", context, 0), **fields)
    assert (long.request.limit, long.cost) == (limit, cost)
    assert long.request.to_upstream().get("max_tokens") == (None if "max_completion_tokens" in fields else limit)


def test_plain_chat_above_the_cost_limit_is_rejected():
    long = ModelCard("tiny", "r1", 1_010_000, 0)
    assert refusal(card=long, max_tokens=1_000_001).code == "cost_exceeded"
    assert refusal(card=long, n=128, settings=Settings(max_cost=100)).code == "cost_exceeded"
    assert make_plan(card=long, strategy="self_consistency").request.limit is None


def test_only_strategies_and_repeatable_plain_requests_have_a_cache_key():
    assert make_plan(strategy="self_consistency").key
    assert make_plan(strategy="self_consistency", cache="no-store").key is None
    assert make_plan().key is None and make_plan(temperature=0).key and make_plan(seed=4).key


FIELDS = {
    "messages": [{"role": "user", "content": "other"}],
    "temperature": 0.3,
    "top_p": 0.5,
    "seed": 8,
    "max_tokens": 77,
    "stop": ["x"],
    "strategy": {"name": "self_consistency", "n": 9},
    "logit_bias": {"5": 1},
    "presence_penalty": 1,
    "response_format": {"type": "json_object"},
    "budget": {"tokens": 5000},
    "logprobs": True,
    "top_k": 4,
}


def test_stream_with_engine_only_fields_has_no_cache_key():
    assert make_plan(temperature=0, stream=True).key
    assert make_plan(temperature=0, stream=True, return_token_ids=True).key is None
    assert make_plan(temperature=0, stream=True, stream_options={"continuous_usage_stats": True}).key is None


def test_cache_key_depends_on_every_field_that_shapes_the_answer():
    base = {"strategy": "self_consistency"}
    keys = [make_plan(**base).key, *(make_plan(**(base | {name: value})).key for name, value in FIELDS.items())]
    keys.append(make_plan(card=ModelCard("tiny", "r2", 4096, 0), **base).key)
    keys.append(make_plan(tenant="someone", **base).key)
    assert len(set(keys)) == len(keys) and {len(key) for key in keys} == {64}


def test_cache_key_ignores_fields_that_do_not_shape_the_answer():
    base = {"strategy": "self_consistency"}
    keys = {
        make_plan(**base).key,
        make_plan(model="tiny@self_consistency").key,
        make_plan(**base, stream=True, stream_options={"include_usage": True}).key,
        make_plan(**base, user="me", metadata={"a": "b"}).key,
        make_plan(**base, cache="refresh").key,
        make_plan(strategy={"n": 8, "name": "self_consistency"}).key,
    }
    assert len(keys) == 1


@given(st.permutations(sorted(FIELDS)))
def test_cache_key_ignores_the_order_of_fields(order):
    assert make_plan(**{name: FIELDS[name] for name in order}).key == make_plan(**FIELDS).key


def test_different_requests_have_different_cache_keys():
    names = sorted(FIELDS)
    base = {"strategy": "chain_of_thought"}
    keys = [make_plan(**base | {name: FIELDS[name] for name in pair}).key for pair in itertools.combinations(names, 2)]
    assert None not in keys and len(set(keys)) == len(keys)


@pytest.mark.parametrize(
    ("fields", "param", "code"),
    [
        ({"messages": []}, "messages", "array_too_short"),
        ({"messages": "hi"}, "messages", "invalid_type"),
        ({"messages": [{"role": "user"}]}, "messages.0", "invalid_value"),
        ({"messages": [{"role": "pirate", "content": "arr"}]}, "messages.0.role", "invalid_value"),
        ({"messages": [{"role": "user", "content": 4}]}, "messages.0.content", "invalid_type"),
        ({"temperature": "warm"}, "temperature", "invalid_type"),
        ({"temperature": 3}, "temperature", "value_above_max_value"),
        ({"temperature": float("nan")}, "temperature", "invalid_value"),
        ({"max_tokens": 0}, "max_tokens", "value_below_min_value"),
        ({"nonsense": 1}, "nonsense", "unknown_parameter"),
        ({"chat_template": "{{ 9 }}"}, "chat_template", "unknown_parameter"),
        ({"top_logprobs": 4}, "top_logprobs", "invalid_value"),
        ({"stop": [""]}, "stop.0", "string_below_min_length"),
        ({"seed": 2**70}, "seed", None),
        ({"budget": {"seconds": -1}}, "budget.seconds", "value_below_min_value"),
    ],
)
def test_validation_error_has_openai_param_and_code(fields, param, code):
    with pytest.raises(ValidationError) as wrong:
        ChatRequest.model_validate(HELLO | fields)
    error = to_bad_request(wrong.value)
    assert error.param == param and (code is None or error.code == code) and len(error.message) <= 500


def test_missing_field_is_named():
    with pytest.raises(ValidationError) as wrong:
        ChatRequest.model_validate({"model": "tiny"})
    assert to_bad_request(wrong.value).message == "Missing required parameter: 'messages'."


def image_message(url):
    return [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": url}}]}]


@pytest.mark.parametrize("strategy", [None, "self_consistency"])
@pytest.mark.parametrize("url", ["http://127.0.0.1/secret", "https://images.example.evil.com/x", "https://[/x"])
def test_image_is_fetched_from_no_domain_but_those_that_the_operator_allows(url, strategy):
    error = refusal(
        card=replace(CARD, media_domains=frozenset({"images.example"})), messages=image_message(url), strategy=strategy
    )
    assert error.param == "messages.0.content.0.image_url.url" and "fetches nothing" in error.message


def test_image_at_an_allowed_domain_is_the_engines_to_fetch():
    card = replace(CARD, media_domains=frozenset({"images.example"}))
    assert make_plan(card=card, messages=image_message("https://images.example/x.png"), strategy="auto").strategy


@pytest.mark.parametrize("url", ["file:///etc/passwd", "ftp://x/y", "//x/y", "x"])
def test_image_url_of_another_scheme_is_rejected(url):
    with pytest.raises(ValidationError, match="send the image inline"):
        ChatRequest.model_validate(HELLO | {"messages": image_message(url)})
