"""Plain bodies for vLLM's own handlers: limits of cost and width, fields that keys forbid, and what is cached."""

from pathlib import Path

import pytest

from cogitate.server.auth.caller import Caller
from cogitate.server.auth.key_limits import KeyLimits
from cogitate.server.engine import ModelCard
from cogitate.server.errors import ApiError
from cogitate.server.planning.plain_plan import SHARED_FIELDS, build_body_plan
from cogitate.server.protocol.plain_body import LIMIT_FIELDS, PlainBody
from cogitate.server.settings import Settings

CARD = ModelCard("m", "1", 4096, 0, adapters={"tuned": "2"})
OPEN = Settings()
KEYED = Settings(api_keys_file=Path("keys"))
CHAT, RAW = "/v1/chat/completions", "/v1/completions"


def plan(content, settings=OPEN, limits=KeyLimits(), path=CHAT, tenant=""):  # noqa: B008 frozen
    return build_body_plan(PlainBody(path, content), CARD, settings, Caller(tenant, "", "", limits))


def test_body_without_limits_of_its_own_is_passed_on_as_it_came():
    content = {"model": "m", "messages": 3, "temperature": "warm", "n": "many", "anything": [None]}
    planned = plan(content)
    assert planned.request.content is content and (planned.width, planned.cost, planned.key) == (1, 4096, None)


@pytest.mark.parametrize("path", LIMIT_FIELDS)
def test_limit_of_the_path_bounds_the_cost(path):
    assert plan({LIMIT_FIELDS[path][0]: 100, "n": 3}, path=path).cost == 300


def test_cost_above_the_keys_limit_names_the_field():
    with pytest.raises(ApiError) as failure:
        plan({"max_tokens": 4000, "n": 8}, limits=KeyLimits(max_cost=1000))
    assert (failure.value.code, failure.value.param) == ("cost_exceeded", "max_tokens")


def test_chat_without_a_limit_gets_the_one_that_the_key_can_pay():
    planned = plan({"model": "m", "n": 2}, limits=KeyLimits(max_cost=1000))
    assert planned.cost == 1000 and planned.request.content["max_tokens"] == 500


def test_prompts_and_choices_count_as_generations():
    assert plan({"prompt": ["a", "b"], "n": 2}, path=RAW).width == 4
    assert plan({"prompt": [1, 2, 3]}, path=RAW).width == 1
    with pytest.raises(ApiError) as failure:
        plan({"prompt": ["a", "b"], "n": 2}, limits=KeyLimits(generations=3), path=RAW)
    assert failure.value.param == "prompt"


@pytest.mark.parametrize("field", sorted(SHARED_FIELDS))
def test_field_that_reaches_other_users_is_refused_where_keys_divide_them(field):
    assert plan({field: "x"}).request.content[field] == "x"
    with pytest.raises(ApiError) as failure:
        plan({field: "x"}, KEYED)
    assert (failure.value.status, failure.value.param) == (400, field)
    allowed = Settings(api_keys_file=Path("keys"), allow_field=(field,))
    assert plan({field: "x"}, allowed).request.content[field] == "x"


@pytest.mark.parametrize(("n", "limit"), [("8", "500"), (8.0, 500.0), (8, 500)])
def test_values_that_vllm_reads_as_numbers_count_as_such(n, limit):
    """Otherwise a client would evade its limits by a string."""
    assert plan({"n": n, "max_tokens": limit}, path=RAW).cost == 4000
    with pytest.raises(ApiError):
        plan({"n": n, "max_tokens": limit}, limits=KeyLimits(max_cost=1000), path=RAW)


@pytest.mark.parametrize(("value", "streams"), [("true", True), (1, True), ("no", False), ("perhaps", False)])
def test_stream_is_read_as_vllm_reads_it(value, streams):
    assert PlainBody(CHAT, {"stream": value}).stream is streams


def test_any_number_of_choices_and_embeddings_is_counted():
    assert plan({"n": 5000, "max_tokens": 10}).width == 5000
    assert plan({"prompt_embeds": ["a", "b", "c"]}, path=RAW).width == 3


def test_salt_of_the_client_is_used_where_the_operator_allows_it():
    body = plan({"cache_salt": "mine"}, Settings(api_keys_file=Path("keys"), allow_field=("cache_salt",))).request
    assert body.to_engine("tenants") == b'{"cache_salt":"mine"}'


def test_only_answers_that_repeat_exactly_are_cached():
    assert plan({"temperature": 0}).key and plan({"seed": 3}).key
    for content in ({}, {"seed": -1}, {"temperature": 0, "stream": True}, {"temperature": 0, "cache": "no-store"}):
        assert plan(content).key is None


def test_key_depends_on_every_field_the_tenant_the_path_and_the_adapter():
    body = {"model": "m", "temperature": 0}
    keys = [
        plan(body).key,
        plan(body | {"user": "me"}).key,
        plan(body | {"model": "tuned"}).key,
        plan(body, tenant="other").key,
        plan(body, path=RAW).key,
    ]
    assert len(set(keys)) == len(keys) and plan(body | {"cache": "refresh"}).key == keys[0]


@pytest.mark.parametrize(("field", "value"), [("budget", {"seconds": 2}), ("cache", "sometimes")])
def test_own_field_that_cannot_be_honoured_is_named(field, value):
    with pytest.raises(ApiError) as failure:
        plan({field: value})
    assert (failure.value.status, failure.value.param) == (400, field)


def test_engine_gets_the_salt_and_none_of_our_fields():
    body = PlainBody(CHAT, {"a": 1, "cache": "refresh", "strategy": None, "stream_options": {"include_progress": True}})
    assert body.to_engine("") == b'{"a":1,"stream_options":{}}'
    assert body.to_engine("salt") == b'{"a":1,"stream_options":{},"cache_salt":"salt"}'
