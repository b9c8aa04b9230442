"""Chunks of chat streams, and errors in the engine's own stream."""

import json

import pytest

from cogitate.server.api import sse
from cogitate.server.auth.caller import Caller
from cogitate.server.engine import ModelCard
from cogitate.server.errors import BadRequest, UpstreamError
from cogitate.server.planning.plan import Plan
from cogitate.server.planning.request_plan import build_plan
from cogitate.server.protocol.chat import ChatRequest
from cogitate.server.serving.job import Job, JobReader
from cogitate.server.settings import Settings
from cogitate.strategies.core.event_log import EventLog
from cogitate.strategies.core.trace import Trace

HELLO = {"model": "tiny", "messages": [{"role": "user", "content": "hello"}], "stream": True}


def make_plan(**fields: object) -> Plan:
    request = ChatRequest.model_validate(HELLO | fields)
    return build_plan(request, ModelCard("tiny", "1", 100, 0), Settings(), {}, Caller())


def choice(index: int, **message: object) -> dict[str, object]:
    return {"index": index, "message": message, "finish_reason": "stop", "logprobs": None}


async def read_stream(body: dict[str, object], **fields: object) -> list[dict[str, object]]:
    job = Job(Trace(), outcome=body)
    lines = [line.decode() async for line in sse.encode_answer(make_plan(**fields), job, JobReader(Caller()))]
    assert lines.pop() == "data: [DONE]\n\n"
    return [json.loads(line[6:]) for line in lines]


async def test_stream_of_a_cached_answer_has_every_choice():
    chunks = await read_stream({"choices": [choice(0, content="a"), choice(1, content="b")]})
    deltas = [(c["choices"][0]["index"], c["choices"][0]["delta"], c["choices"][0]["finish_reason"]) for c in chunks]
    assert deltas == [
        (0, {"role": "assistant", "content": ""}, None),
        (0, {"content": "a"}, None),
        (0, {}, "stop"),
        (1, {"role": "assistant", "content": ""}, None),
        (1, {"content": "b"}, None),
        (1, {}, "stop"),
    ]


async def test_stream_has_tool_calls_and_usage():
    call = {"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    body = {"choices": [choice(0, content=None, tool_calls=[call])], "usage": {"total_tokens": 3}}
    *_, calls, _, usage = await read_stream(body, stream_options={"include_usage": True})
    assert calls["choices"][0]["delta"] == {"tool_calls": [{"index": 0, **call}]}
    assert usage["choices"] == [] and usage["usage"] == {"total_tokens": 3}


REJECTED = 'data: {"error": {"message": "bad", "param": "logit_bias", "code": 400}}'
LOST = 'data: {"error": {"message": "secret", "code": 500}}'


def test_error_lines_of_the_engine_become_api_errors_without_internal_details():
    assert sse.parse_error(REJECTED).body["error"]["param"] == "logit_bias"
    assert "secret" not in str(sse.parse_error(LOST).body) and sse.parse_error('data: {"id": "x"}') is None


@pytest.mark.parametrize(("line", "error"), [(REJECTED, BadRequest), (LOST, UpstreamError)])
def test_an_error_in_the_first_line_is_raised_before_the_stream_begins(line, error):
    job = Job(EventLog())
    job.record.emit(line)
    with pytest.raises(error):
        sse.raise_first_error(job)
