"""A client that is patient with who is busy, and tells what an answer took."""

import time

import pytest

from cogitate.server.evaluation.client import Client
from cogitate.server.evaluation.told import Refused, TooLong
from tests.fakes.eval_server import PLAIN, answering

LONG = {"error": {"message": "The maximum context length is 8.", "code": "context_length_exceeded"}}


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
async def test_who_is_busy_is_asked_again_and_the_waiting_is_not_counted(status: int):
    began = time.monotonic()
    async with answering((status, b"later"), (status, b"later"), (200, PLAIN)) as url, Client(url) as client:
        answer, seconds = await client.chat({})
    assert answer.text == "\\boxed{1}"
    assert 0 < seconds < 0.75 <= time.monotonic() - began


async def test_what_does_not_fit_is_told_from_what_is_refused():
    async with answering((400, LONG)) as url, Client(url) as client:
        with pytest.raises(TooLong, match="maximum context"):
            await client.chat({})
    for status, body in ((400, {"error": {"code": 400}}), (400, b"<html>"), (404, LONG)):
        async with answering((status, body)) as url, Client(url) as client:
            with pytest.raises(Refused) as refused:
                await client.chat({})
            assert not isinstance(refused.value, TooLong) and str(refused.value).startswith(f"{status}: ")
