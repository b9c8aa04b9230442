"""A server that ends a running stream when another call begins is called once at a time."""

import asyncio
import json
from collections.abc import Coroutine
from typing import Any

import pytest

from cogitate.server.engine.remote.errors import INCOMPLETE_STREAM, UpstreamFailed
from cogitate.server.engine.remote.serial_calls import SerialCalls
from tests.fakes.upstream.connection import STREAM_HEAD, Connection, Request
from tests.fakes.upstream.recorded import RecordedUpstream
from tests.server.engine.remote.dialects.providers import EARLY_VOTE, serve_provider
from tests.server.engine.remote.fakes import open_backend, request, sample

WORDS = ["The ", "answer ", "is ", "\\boxed{42}."]


class Interrupting(RecordedUpstream):
    """Ends a running stream with [DONE], and no finish reason, when another call begins, as llama-cpp-python does."""

    latest = 0

    def _serve(self, request: Request, connection: Connection) -> bytes | Coroutine[Any, Any, None]:
        if not request.path.endswith("/chat/completions"):
            return super()._serve(request, connection)
        self.bodies.append(json.loads(request.body))
        self.latest += 1
        return self._send(self.latest, connection)

    async def _send(self, number: int, connection: Connection) -> None:
        connection.write(STREAM_HEAD)
        for at, word in enumerate(WORDS):
            if number != self.latest:
                break
            finish = "stop" if at == len(WORDS) - 1 else None
            choice = {"index": 0, "delta": {"content": word}, "finish_reason": finish}
            connection.write_chunk(f"data: {json.dumps({'choices': [choice]})}\n\n".encode())
            await asyncio.sleep(0.02)
        connection.write_chunk(b"data: [DONE]\n\n")
        if number == self.latest:
            connection.write(b"0\r\n\r\n")
        else:
            connection.transport.close()  # It does not end the response that it interrupts.


SHAPE = {"models": {"data": [{"id": "fake"}]}, "plain": {}, "stream": []}


async def test_interrupted_samples_are_fetched_again_one_at_a_time():
    async with Interrupting(SHAPE) as upstream, open_backend(upstream, abilities=frozenset()) as backend:
        samples = await asyncio.wait_for(_sample_at_once(backend, 4), 10)
        assert [each.text for each in samples] == ["".join(WORDS)] * 4
        calls = len(upstream.bodies)
        assert calls <= 12 and backend.balancer.replicas[0].turns.is_serial
        await _sample_at_once(backend, 4)
        assert len(upstream.bodies) == calls + 4, "it is remembered"
        assert backend.load().running == backend.balancer.replicas[0].turns.running == 0


async def _sample_at_once(backend, n):
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(sample(backend, reads_partial=True)) for _ in range(n)]
    return [task.result() for task in tasks]


async def test_vote_over_an_interrupting_server_has_all_its_candidates():
    async with serve_provider(SHAPE, Interrupting) as (client, _):
        body = (await client.post("/v1/chat/completions", json=VOTE_BODY)).json()
    assert (body["cogitate"]["answer"], body["cogitate"]["failed"]) == ("42", 0)
    assert body["cogitate"]["candidates"] + body["cogitate"]["aborted"] == 3 and body["cogitate"]["candidates"] > 1


VOTE_BODY = {"model": "m", "messages": [{"role": "user", "content": "?"}], "max_tokens": 50, "strategy": EARLY_VOTE}


async def test_interrupted_plain_stream_is_an_error():
    async with Interrupting(SHAPE) as upstream, open_backend(upstream, abilities=frozenset()) as backend:
        first = await backend.answer(request(stream=True))
        begun = await anext(aiter(first))
        second = asyncio.create_task(sample(backend, reads_partial=True))
        with pytest.raises(UpstreamFailed, match=INCOMPLETE_STREAM):
            async for line in first:
                assert "DONE" not in line
        assert "The " in begun and (await second).text == "".join(WORDS)


async def test_done_without_a_finish_reason_alone_is_an_answer_that_may_be_cut_off():
    shape = SHAPE | {"stream": [{"choices": [{"index": 0, "delta": {"content": "42"}}]}, "data: [DONE]\n\n"]}
    async with RecordedUpstream(shape) as upstream, open_backend(upstream, abilities=frozenset()) as backend:
        completion = await sample(backend, reads_partial=True)
        assert (completion.text, completion.finish) == ("42", "length")
        assert not backend.balancer.replicas[0].turns.is_serial


async def test_turn_is_passed_on_when_a_waiter_is_cancelled():
    turns, deadline = SerialCalls(is_serial=True), asyncio.get_running_loop().time() + 5
    await turns.take(deadline)
    waiters = [asyncio.create_task(turns.take(deadline)) for _ in range(3)]
    await asyncio.sleep(0)
    turns.leave()
    waiters[0].cancel()
    await asyncio.sleep(0.01)
    assert waiters[0].cancelled() and waiters[1].done() and not waiters[2].done() and turns.running == 1
    turns.leave()
    await waiters[2]
    with pytest.raises(TimeoutError):
        await turns.take(asyncio.get_running_loop().time() + 0.01)
