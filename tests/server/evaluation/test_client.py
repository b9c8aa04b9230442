"""The HTTP client: retries, timing and error classes."""

import time

import pytest

from cogitate.server.evaluation.client import Client, PromptTooLong, RequestFailed
from tests.fakes.eval_server import PLAIN, eval_server

LONG = {
    "error": {
        "message": "The maximum context length is 8.",
        "type": "invalid_request_error",
        "param": None,
        "code": "context_length_exceeded",
    }
}


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
async def test_busy_server_is_retried_and_only_the_last_attempt_is_timed(status: int):
    began = time.monotonic()
    async with eval_server((status, b"later"), (status, b"later"), (200, PLAIN)) as url, Client(url) as client:
        answer, seconds = await client.chat({})
    assert answer.text == "\\boxed{1}"
    assert 0 < seconds < 0.75 <= time.monotonic() - began


async def test_only_context_length_exceeded_raises_prompt_too_long():
    async with eval_server((400, LONG)) as url, Client(url) as client:
        with pytest.raises(PromptTooLong, match="maximum context"):
            await client.chat({})
    for status, body in ((400, {"error": {"code": 400}}), (400, b"<html>"), (404, LONG)):
        async with eval_server((status, body)) as url, Client(url) as client:
            with pytest.raises(RequestFailed) as refused:
                await client.chat({})
            assert not isinstance(refused.value, PromptTooLong) and str(refused.value).startswith(f"{status}: ")
