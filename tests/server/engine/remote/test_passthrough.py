"""A request without a strategy gets the upstream's own response."""

import json

import httpx
import pytest

from cogitate.server.engine.remote.errors import UpstreamFailed
from cogitate.server.engine.remote.response_validator import ChatValidator, ResponsesValidator
from cogitate.server.errors import BadRequest, UnsupportedParameter
from cogitate.server.protocol.completion import CompletionRequest
from cogitate.server.protocol.responses import ResponsesRequest
from tests.fakes.upstream import Script
from tests.fakes.upstream.script import STORY
from tests.server.engine.remote.fakes import eventually, remote_backend, request
from tests.server.engine.remote.test_request import TOOL

FAULTS = ("cut", "error_in_200", "malformed", "extra_choices", "reset", "hang_body")


async def test_forwarding_preserves_request_and_response_bodies():
    fields = {"n": 3, "tools": [TOOL], "logprobs": True, "top_logprobs": 2, "seed": 4, "max_completion_tokens": 50}
    async with remote_backend() as (fake, backend):
        body = await backend.answer(request(**fields))
        async with httpx.AsyncClient() as client:
            bare = await client.post(f"{fake.url}/chat/completions", json=fake.requests[0][1])
    assert fields.items() <= fake.requests[0][1].items() and body == bare.json()


async def test_response_has_the_served_model_name():
    async with remote_backend(Script(model="org/Model-7B"), name="house") as (fake, backend):
        assert (await backend.answer(request()))["model"] == "house"
        chunks = [
            json.loads(line[6:]) async for line in await backend.answer(request(stream=True)) if "DONE" not in line
        ]
        assert {chunk["model"] for chunk in chunks} == {"house"}
        assert all(body["model"] == "org/Model-7B" for _, body, _ in fake.requests)


async def test_stream_is_forwarded_event_by_event():
    async with remote_backend() as (fake, backend):
        lines = [
            line async for line in await backend.answer(request(stream=True, stream_options={"include_usage": True}))
        ]
    assert lines[-1] == "data: [DONE]\n\n" and all(line.startswith("data: ") for line in lines)
    chunks = [json.loads(line[6:]) for line in lines[:-1]]
    assert "".join(c["delta"].get("content") or "" for chunk in chunks for c in chunk["choices"]) == STORY
    assert chunks[-1]["usage"]["completion_tokens"] == fake.counters.tokens


@pytest.mark.parametrize("options", [{}, {"stream_options": {"include_usage": False}}])
async def test_stream_has_its_usage_for_the_bill_where_the_client_did_not_ask_for_it(options):
    async with remote_backend() as (fake, backend):
        stream = await backend.answer(request(stream=True, **options))
        lines = [line async for line in stream]
    assert stream.usage["completion_tokens"] == fake.counters.tokens > 0
    assert lines[-1] == "data: [DONE]\n\n" and all(json.loads(line[6:])["choices"] for line in lines[:-1])


async def test_raw_completion_goes_through():
    completion = CompletionRequest.model_validate({"model": "fake", "prompt": "Say:", "max_tokens": 3})
    async with remote_backend() as (fake, backend):
        assert (await backend.answer(completion))["choices"][0]["text"] == "First, 6 times"
    assert fake.requests[0][0] == "/v1/completions"


@pytest.mark.parametrize("fault", FAULTS)
async def test_incomplete_stream_raises_and_has_no_final_event(fault):
    lines = []
    async with remote_backend() as (fake, backend):
        fake.script.fault = fault
        with pytest.raises(UpstreamFailed):
            async for line in await backend.answer(request(stream=True)):
                lines.append(line)
        assert not any("DONE" in line or "secret" in line or '"stop"' in line for line in lines)
        await eventually(lambda: backend.load().running == 0)


async def test_abandoned_stream_closes_the_upstream_response():
    async with remote_backend(Script(pace=0.01, texts=["word " * 1000])) as (fake, backend):
        async for _ in await backend.answer(request(stream=True)):
            break
        await eventually(lambda: fake.counters.aborted == 1)
        forgotten = await backend.answer(request(stream=True))
        assert backend.load().running == 1
        del forgotten
        await eventually(lambda: fake.counters.aborted == 2 and backend.load().running == 0)


async def test_missing_responses_api_is_an_unsupported_parameter():
    response = ResponsesRequest.model_validate({"model": "fake", "input": "Hello"})
    async with remote_backend() as (_, backend):
        with pytest.raises(UnsupportedParameter, match="no Responses API"):
            await backend.answer(response)


def test_responses_api_has_the_served_model_name():
    validator = ResponsesValidator("house")
    usage = {"input_tokens": 3, "output_tokens": 4, "total_tokens": 7}
    fields = {"object": "response", "model": "theirs", "output": [], "usage": usage, "status": "completed"}
    assert validator.validate_body(fields) == fields | {"model": "house"}
    line = validator.validate_event(b'{"type": "response.created", "response": {"model": "theirs"}}')
    assert line == 'event: response.created\ndata: {"type":"response.created","response":{"model":"house"}}\n\n'
    assert not validator.is_complete
    validator.validate_event(b'{"type": "response.completed", "response": {}}')
    assert validator.is_complete and validator.validate_event(b"[DONE]") is None


@pytest.mark.parametrize(
    "payload",
    [b"{", b"[]", b'{"type": 3}', b'{"type": "error"}', b'{"type": "response.failed"}', b'{"type": "a\\nb"}'],
)  # fmt: skip
def test_invalid_responses_event_raises(payload):
    with pytest.raises(UpstreamFailed):
        ResponsesValidator("house").validate_event(payload)


@pytest.mark.parametrize("body", [{}, [], {"object": "response"}, {"error": {"message": "x"}, "output": []}])
def test_invalid_responses_body_raises(body):
    with pytest.raises(UpstreamFailed):
        ResponsesValidator("house").validate_body(body)


def test_400_as_first_event_of_a_stream_is_a_bad_request():
    validator = ChatValidator(request(stream=True), "served")
    with pytest.raises(BadRequest) as refused:
        validator.validate_event(b'{"error": {"message": "no such token", "param": "logit_bias", "code": 400}}')
    assert refused.value.param == "logit_bias"
    with pytest.raises(UpstreamFailed):
        validator.validate_event(b'{"error": {"message": "secret", "code": 500}}')
