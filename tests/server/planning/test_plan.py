import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from cogitate.server.auth.caller import Caller
from cogitate.server.engine import ModelCard
from cogitate.server.errors import ApiError, BadRequest, ModelNotFound, UnsupportedParameter
from cogitate.server.planning.plan import build_plan
from cogitate.server.protocol.chat import ChatRequest
from cogitate.server.protocol.validation import to_bad_request
from cogitate.server.settings import Settings
from cogitate.strategies import STRATEGIES
from cogitate.strategies.verifiers import BUILT_IN

CARD = ModelCard("tiny", "r1", 4096, 0)
HELLO = {"model": "tiny", "messages": [{"role": "user", "content": "hello"}]}


def planned(card=CARD, tenant="", settings=None, verifiers=BUILT_IN, **fields):
    request = ChatRequest.model_validate(HELLO | fields)
    return build_plan(request, card, settings or Settings(code_exec="bwrap"), verifiers, Caller(tenant))


def refusal(**fields):
    with pytest.raises(ApiError) as refused:
        planned(**fields)
    return refused.value


def test_without_a_strategy_there_is_none():
    assert planned().strategy is None and planned().strategy_name == "none"


@pytest.mark.parametrize("name", sorted(STRATEGIES))
def test_a_strategy_is_named_in_the_body_or_behind_the_model(name):
    by_name = planned(strategy=name).strategy
    assert by_name == planned(strategy={"name": name}).strategy == planned(model=f"tiny@{name}").strategy
    assert by_name == planned(model=f"tiny@{name}", strategy={"name": name}).strategy


def test_naming_two_that_disagree_is_refused():
    assert refusal(model="tiny@best_of_n", strategy="self_consistency").param == "strategy"


@pytest.mark.parametrize(
    "model", ["other", "", "tiny@", "tiny@nothing", "@self_consistency", "TINY", "tiny@best_of_n@x"]
)
def test_an_unknown_model_is_a_404(model):
    refused = refusal(model=model)
    assert isinstance(refused, ModelNotFound) and (refused.status, refused.code) == (404, "model_not_found")


def test_a_model_whose_own_name_has_an_at_sign_is_found():
    assert planned(card=ModelCard("a@b", "1", 10, 0), model="a@b").strategy is None
    assert planned(card=ModelCard("a@b", "1", 4096, 0), model="a@b@best_of_n").strategy_name == "best_of_n"


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
def test_a_wrong_option_is_named(strategy, param, code):
    refused = refusal(strategy=strategy)
    assert isinstance(refused, BadRequest) and (refused.param, refused.code) == (param, code)


@pytest.mark.parametrize(
    ("field", "value"), [("n", 9), ("echo", True), ("continue_final_message", True), ("return_token_ids", True)]
)
def test_a_field_that_no_strategy_can_honour_is_refused_by_name(field, value):
    refused = refusal(strategy="self_consistency", **{field: value})
    assert isinstance(refused, UnsupportedParameter) and refused.param == field
    assert planned(**{field: value}).strategy is None


def test_a_grammar_cannot_be_held_across_steps():
    assert refusal(strategy="beam_search", response_format={"type": "json_object"}).param == "response_format"
    voted = planned(strategy="self_consistency", response_format={"type": "json_object"})
    assert voted.strategy.answer_format == "json" and voted.prompt.messages[-1].text == "hello"


def test_the_clients_temperature_goes_before_the_papers():
    assert planned(strategy="self_consistency").sampling.temperature == 0.7
    assert planned(strategy="self_consistency", temperature=0).sampling.temperature == 0
    assert planned(strategy="chain_of_thought").sampling.temperature == 0


def test_logprobs_are_as_many_as_the_client_or_the_verifier_wants():
    assert planned(strategy="best_of_n").sampling.logprobs is None
    assert planned(strategy={"name": "best_of_n", "verifier": "confidence"}).sampling.logprobs == 5
    assert planned(strategy="best_of_n", logprobs=True).sampling.logprobs == 0
    asked = planned(strategy={"name": "best_of_n", "verifier": "confidence"}, logprobs=True, top_logprobs=9)
    assert asked.sampling.logprobs == 9


def test_the_cost_is_known_before_and_refused_with_the_numbers():
    assert planned(strategy={"name": "self_consistency", "n": 4}, max_tokens=10).cost == 40
    refused = refusal(strategy={"name": "self_consistency", "n": 200}, max_tokens=100_000)
    assert refused.code == "cost_exceeded" and "20000000" in refused.message and "1000000" in refused.message
    assert planned(strategy={"name": "self_consistency", "n": 200}, max_tokens=100_000, budget={"tokens": 9}).cost == 9


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
def test_a_plain_chat_without_a_limit_has_what_may_be_spent_for_one(context, fields, limit, cost):
    long = planned(card=ModelCard("tiny", "r1", context, 0), **fields)
    assert (long.request.limit, long.cost) == (limit, cost)
    assert long.request.to_upstream().get("max_tokens") == (None if "max_completion_tokens" in fields else limit)


def test_a_limit_of_its_own_is_refused_where_it_costs_too_much_and_so_is_none_that_leaves_nothing():
    long = ModelCard("tiny", "r1", 1_010_000, 0)
    assert refusal(card=long, max_tokens=1_000_001).code == "cost_exceeded"
    assert refusal(card=long, n=128, settings=Settings(max_cost=100)).code == "cost_exceeded"
    assert planned(card=long, strategy="self_consistency").request.limit is None


def test_what_is_cached():
    assert planned(strategy="self_consistency").key
    assert planned(strategy="self_consistency", cache="no-store").key is None
    assert planned().key is None and planned(temperature=0).key and planned(seed=4).key


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


def test_a_stream_that_only_the_engine_can_give_is_not_cached():
    assert planned(temperature=0, stream=True).key
    assert planned(temperature=0, stream=True, return_token_ids=True).key is None
    assert planned(temperature=0, stream=True, stream_options={"continuous_usage_stats": True}).key is None


def test_every_field_that_shapes_the_answer_is_in_the_key():
    base = {"strategy": "self_consistency"}
    keys = [planned(**base).key, *(planned(**(base | {name: value})).key for name, value in FIELDS.items())]
    keys.append(planned(card=ModelCard("tiny", "r2", 4096, 0), **base).key)
    keys.append(planned(tenant="someone", **base).key)
    assert len(set(keys)) == len(keys) and {len(key) for key in keys} == {64}


def test_what_does_not_shape_it_is_not():
    base = {"strategy": "self_consistency"}
    keys = {
        planned(**base).key,
        planned(model="tiny@self_consistency").key,
        planned(**base, stream=True, stream_options={"include_usage": True}).key,
        planned(**base, user="me", metadata={"a": "b"}).key,
        planned(**base, cache="refresh").key,
        planned(strategy={"n": 8, "name": "self_consistency"}).key,
    }
    assert len(keys) == 1


@given(st.permutations(sorted(FIELDS)))
def test_the_order_of_fields_is_nothing(order):
    assert planned(**{name: FIELDS[name] for name in order}).key == planned(**FIELDS).key


def test_pairs_of_different_requests_never_share_a_key():
    names = sorted(FIELDS)
    base = {"strategy": "chain_of_thought"}
    keys = [planned(**base | {name: FIELDS[name] for name in pair}).key for pair in itertools.combinations(names, 2)]
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
def test_a_wrong_field_is_named_as_openai_names_it(fields, param, code):
    with pytest.raises(ValidationError) as wrong:
        ChatRequest.model_validate(HELLO | fields)
    told = to_bad_request(wrong.value)
    assert told.param == param and (code is None or told.code == code) and len(told.message) <= 500


def test_a_missing_field_is_named():
    with pytest.raises(ValidationError) as wrong:
        ChatRequest.model_validate({"model": "tiny"})
    assert to_bad_request(wrong.value).message == "Missing required parameter: 'messages'."


def test_urls_are_not_fetched():
    image = {"type": "image_url", "image_url": {"url": "http://127.0.0.1/secret"}}
    with pytest.raises(ValidationError, match="fetches nothing"):
        ChatRequest.model_validate(HELLO | {"messages": [{"role": "user", "content": [image]}]})
