"""A request without a strategy gets the upstream's own answer."""

import json

import httpx
import pytest

from cogitate.server.engine.remote.errors import Lost
from cogitate.server.engine.remote.watching import ChatWatch, ResponsesWatch
from cogitate.server.errors import BadRequest, Unsupported
from cogitate.server.protocol.chat import CompletionRequest
from cogitate.server.protocol.responses import ResponsesRequest
from tests.fakes.upstream import Script
from tests.fakes.upstream.script import STORY
from tests.server.engine.remote.fakes import eventually, one, request
from tests.server.engine.remote.test_request import TOOL

CUTS = ("cut", "error_in_200", "malformed", "extra_choices", "reset", "hang_body", "absurd_usage")


async def test_the_body_goes_through_and_the_answer_comes_back_whole():
    said = {"n": 3, "tools": [TOOL], "logprobs": True, "top_logprobs": 2, "seed": 4, "max_completion_tokens": 50}
    async with one() as (fake, backend):
        body = await backend.answer(request(**said))
        async with httpx.AsyncClient() as client:
            bare = await client.post(f"{fake.url}/chat/completions", json=fake.asked[0][1])
    assert said.items() <= fake.asked[0][1].items() and body == bare.json()


async def test_the_model_is_called_by_our_name_for_it():
    async with one(Script(model="org/Model-7B"), name="house") as (fake, backend):
        assert (await backend.answer(request()))["model"] == "house"
        chunks = [
            json.loads(line[6:]) async for line in await backend.answer(request(stream=True)) if "DONE" not in line
        ]
        assert {chunk["model"] for chunk in chunks} == {"house"}
        assert all(body["model"] == "org/Model-7B" for _, body, _ in fake.asked)


async def test_a_stream_comes_through_event_by_event():
    async with one() as (fake, backend):
        lines = [
            line async for line in await backend.answer(request(stream=True, stream_options={"include_usage": True}))
        ]
    assert lines[-1] == "data: [DONE]\n\n" and all(line.startswith("data: ") for line in lines)
    chunks = [json.loads(line[6:]) for line in lines[:-1]]
    assert "".join(c["delta"].get("content") or "" for chunk in chunks for c in chunk["choices"]) == STORY
    assert chunks[-1]["usage"]["completion_tokens"] == fake.counters.tokens


async def test_raw_completions_are_passed_too():
    asked = CompletionRequest.model_validate({"model": "fake", "prompt": "Say:", "max_tokens": 3})
    async with one() as (fake, backend):
        assert (await backend.answer(asked))["choices"][0]["text"] == "First, 6 times"
    assert fake.asked[0][0] == "/v1/completions"


@pytest.mark.parametrize("fault", CUTS)
async def test_a_stream_that_breaks_off_fails_and_never_says_done(fault):
    lines = []
    async with one() as (fake, backend):
        fake.script.fault = fault
        with pytest.raises(Lost):
            async for line in await backend.answer(request(stream=True)):
                lines.append(line)
        assert not any("DONE" in line or "secret" in line or '"stop"' in line for line in lines)
        await eventually(lambda: backend.load().running == 0)


async def test_a_stream_that_is_left_or_forgotten_closes_the_upstream():
    async with one(Script(pace=0.01, texts=["word " * 1000])) as (fake, backend):
        async for _ in await backend.answer(request(stream=True)):
            break
        await eventually(lambda: fake.counters.aborted == 1)
        forgotten = await backend.answer(request(stream=True))
        assert backend.load().running == 1
        del forgotten
        await eventually(lambda: fake.counters.aborted == 2 and backend.load().running == 0)


async def test_responses_of_an_upstream_that_has_none_are_refused_clearly():
    asked = ResponsesRequest.model_validate({"model": "fake", "input": "Hello"})
    async with one() as (_, backend):
        with pytest.raises(Unsupported, match="no Responses API"):
            await backend.answer(asked)


def test_responses_are_passed_under_our_name():
    watch = ResponsesWatch("house")
    usage = {"input_tokens": 3, "output_tokens": 4, "total_tokens": 7}
    said = {"object": "response", "model": "theirs", "output": [], "usage": usage, "status": "completed"}
    assert watch.whole(said) == said | {"model": "house"}
    line = watch.event(b'{"type": "response.created", "response": {"model": "theirs"}}')
    assert line == 'event: response.created\ndata: {"type":"response.created","response":{"model":"house"}}\n\n'
    assert not watch.complete
    watch.event(b'{"type": "response.completed", "response": {}}')
    assert watch.complete and watch.event(b"[DONE]") is None


@pytest.mark.parametrize(
    "payload",
    [b"{", b"[]", b'{"type": 3}', b'{"type": "error"}', b'{"type": "response.failed"}', b'{"type": "a\\nb"}',
     b'{"type": "x", "response": {"usage": {"input_tokens": -1}}}'],
)  # fmt: skip
def test_events_that_cannot_be_fail_the_response(payload):
    with pytest.raises(Lost):
        ResponsesWatch("house").event(payload)


@pytest.mark.parametrize("body", [{}, [], {"object": "response"}, {"error": {"message": "x"}, "output": []}])
def test_a_response_that_is_none_is_lost(body):
    with pytest.raises(Lost):
        ResponsesWatch("house").whole(body)


def test_what_an_upstream_refuses_inside_a_200_is_the_clients_mistake():
    watch = ChatWatch(request(stream=True), "served")
    with pytest.raises(BadRequest) as refused:
        watch.event(b'{"error": {"message": "no such token", "param": "logit_bias", "code": 400}}')
    assert refused.value.param == "logit_bias"
    with pytest.raises(Lost):
        watch.event(b'{"error": {"message": "secret", "code": 500}}')
