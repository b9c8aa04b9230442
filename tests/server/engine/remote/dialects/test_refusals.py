"""Fields that an upstream refuses by name, in the error shapes of many servers."""

import json

import pytest

from cogitate.server.engine.remote.dialects.refusals import RefusedFields
from cogitate.server.errors import BadRequest
from tests.fakes.upstream.recorded import RecordedUpstream
from tests.server.engine.remote.fakes import open_backend, request, sample

BODY = {
    "model": "m",
    "messages": [{"role": "user", "content": "seed, temperature and logprobs are unsupported"}],
    "max_tokens": 50,
    "temperature": 0.7,
    "top_p": 0.9,
    "seed": 7,
    "n": 1,
    "logprobs": True,
    "top_logprobs": 5,
    "stream": True,
    "stream_options": {"include_usage": True, "continuous_usage_stats": True},
}
OPENAI = {"type": "invalid_request_error", "code": None, "param": None}


def learn(error: object, required: frozenset[str] = frozenset()) -> set[str] | None:
    """The fields that are gone after a refusal; None where it teaches nothing."""
    refused, body = RefusedFields(), json.dumps(BODY).encode()
    if not refused.learn(error if isinstance(error, bytes) else json.dumps(error).encode(), body, required):
        return None
    adapted = json.loads(refused.adapt(body, required))
    return set(BODY) - set(adapted)


@pytest.mark.parametrize(
    ("error", "gone"),
    [
        ({"error": OPENAI | {"message": "Unrecognized request argument supplied: stream_options"}}, {"stream_options"}),
        ({"detail": [{"loc": ["body", "stream_options", "include_usage"], "msg": "extra fields not permitted"}]},
         {"stream_options"}),
        ({"message": {"detail": [{"type": "extra_forbidden", "loc": ["body", "seed"], "msg": "Extra", "input": 7}]}},
         {"seed"}),
        ({"error_code": "BAD_REQUEST", "message": 'json: unknown field "seed"'}, {"seed"}),
        ([{"error": {"code": 400, "message": 'Unknown name "seed": Cannot find field.'}}], {"seed"}),
        ({"error": {"message": "property 'logprobs' is unsupported"}}, {"logprobs", "top_logprobs"}),
        ({"error": {"message": "top_logprobs is not supported", "param": "top_logprobs"}}, {"top_logprobs"}),
        ({"error": OPENAI | {"param": "temperature", "code": "unsupported_value", "message": "Only 1."}},
         {"temperature"}),
        ({"error": "temperature is deprecated for this model"}, {"temperature"}),
        ({"message": "`temperature` and `top_p` cannot both be specified"}, {"temperature"}),
        ("unknown field `seed`, expected one of `messages`, `temperature`, `top_p`", {"seed"}),
        (b"unknown field `seed`, expected one of `temperature`", {"seed"}),
        ({"error": {"message": "Use 'max_completion_tokens' instead of max_tokens."}}, {"max_tokens"}),
        ({"error": OPENAI | {"param": "max_tokens", "code": "unsupported_parameter", "message": "no"}}, {"max_tokens"}),
    ],
)  # fmt: skip
def test_refused_field_is_left_out_or_renamed(error, gone):
    assert learn(error) == gone


@pytest.mark.parametrize(
    "error",
    [
        {"error": {"message": "max_tokens is too large: this model supports at most 4096", "param": "max_tokens"}},
        {"error": {"message": "temperature must be between 0 and 2", "param": "temperature"}},
        {"error": {"message": "The maximum context length is 4096 tokens, max_tokens cannot be 50"}},
        {"error": {"message": "tools are not supported"}},
        {"error": {"message": "no"}},
        {"error": None},
        [],
        b"",
        b"<html>",
    ],
)
def test_other_errors_teach_nothing(error):
    assert learn(error) is None


def test_running_usage_alone_is_left_out_where_it_alone_is_refused():
    refused, body = RefusedFields(), json.dumps(BODY).encode()
    assert refused.learn(b'{"message": "unknown field continuous_usage_stats"}', body, frozenset())
    assert json.loads(refused.adapt(body, frozenset()))["stream_options"] == {"include_usage": True}


def test_field_of_the_clients_is_never_left_out():
    error = {"error": {"message": "Unsupported parameter: 'temperature'", "param": "temperature"}}
    assert learn(error, frozenset({"temperature"})) is None


def test_limit_is_renamed_once():
    refused, body = RefusedFields(), json.dumps(BODY).encode()
    error = b'{"error": {"message": "Unsupported: use max_completion_tokens, not max_tokens", "param": "max_tokens"}}'
    assert refused.learn(error, body, frozenset())
    back = b'{"error": {"message": "Unsupported parameter", "param": "max_completion_tokens"}}'
    assert not refused.learn(back, refused.adapt(body, frozenset()), frozenset())


TEMPERATURE = {
    "field": "temperature",
    "status": 400,
    "error": {"error": {"message": "Unsupported parameter: 'temperature'", "param": "temperature"}},
}
SHAPE = {
    "models": {"data": [{"id": "fake"}]},
    "plain": {"choices": [{"index": 0, "message": {"role": "assistant", "content": "42"}, "finish_reason": "stop"}]},
    "refuses": [TEMPERATURE],
}


async def test_refusal_costs_one_call_and_a_clients_own_field_its_400():
    async with RecordedUpstream(SHAPE) as upstream, open_backend(upstream) as backend:
        for _ in range(3):
            assert (await sample(backend, temperature=0.7)).text == "42"
        assert (len(upstream.bodies), upstream.refusals) == (4, 1)
        with pytest.raises(BadRequest) as refused:
            await sample(backend, request(temperature=0.7), temperature=0.7)
        assert refused.value.param == "temperature"
        assert (await sample(backend, request(temperature=0.7), temperature=0.0, auxiliary=True)).text == "42"


EFFORT = {
    "field": "reasoning_effort",
    "status": 400,
    "error": {"error": {"message": "Unrecognized request argument supplied: reasoning_effort"}},
}


async def test_hint_of_the_client_is_left_out_and_the_same_field_is_not_where_it_is_none():
    async with RecordedUpstream(SHAPE | {"refuses": [EFFORT]}) as upstream, open_backend(upstream) as backend:
        chat = request(reasoning_effort="low")
        hinted = chat.with_hints(frozenset({"reasoning_effort"}))
        assert (await sample(backend, hinted)).text == "42"
        assert (await backend.answer(hinted))["choices"][0]["message"]["content"] == "42"
        for asked in (sample(backend, chat), backend.answer(chat)):
            with pytest.raises(BadRequest):
                await asked


async def test_hinted_thinking_budget_is_not_sent_and_the_same_field_is_where_it_is_none():
    async with RecordedUpstream(SHAPE | {"refuses": []}) as upstream, open_backend(upstream) as backend:
        chat = request(thinking_token_budget=2048)
        hinted = chat.with_hints(frozenset({"thinking_token_budget"}))
        for asked in (hinted, chat):
            await sample(backend, asked)
            await backend.answer(asked)
        sent = ["thinking_token_budget" in body for body in upstream.bodies]
    assert sent == [False, False, True, True]
