"""When a sample is streamed, which text is reported live, and the text and usage of an aborted sample."""

import asyncio
import contextlib

import pytest

from cogitate.server.engine.remote.errors import UpstreamFailed
from cogitate.strategies.core.types import Completion, ConfidenceThreshold, Sampling, TextDelta, ToolCall
from tests.fakes.upstream import FakeUpstream, Script
from tests.fakes.upstream.script import STORY
from tests.server.engine.remote.fakes import eventually, remote_backend, request, sample
from tests.server.engine.remote.test_request import TOOL


async def cancel_sample(backend, fake: FakeUpstream, tokens: int = 5, **sampling: object) -> list[Completion]:
    """Cancel a sample after `tokens` tokens; return what `on_abort` was called with."""
    parts: list[Completion] = []
    before = fake.counters.tokens
    task = asyncio.ensure_future(sample(backend, on_abort=parts.append, **sampling))
    await eventually(lambda: fake.counters.tokens >= before + tokens)
    await asyncio.sleep(0.005)
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task
    return parts


async def test_sample_is_streamed_only_where_partial_text_is_read():
    async with remote_backend() as (fake, backend):
        await sample(backend)
        await sample(backend, reads_partial=True)
        await sample(backend, on_text=lambda delta: None)
    plain, partial, live = [body for _, body, _ in fake.requests]
    assert "stream" not in plain and "stream_options" not in plain
    assert partial["stream"] is live["stream"] is True
    assert live["stream_options"] == {"include_usage": True, "continuous_usage_stats": True}


async def test_vllm_fields_are_absent_for_other_upstreams():
    async with remote_backend(Script(vllm=False), abilities=frozenset()) as (fake, backend):
        await sample(backend, reads_partial=True)
    ((_, body, _),) = fake.requests
    assert body["stream_options"] == {"include_usage": True} and "return_token_ids" not in body


@pytest.mark.parametrize("live", [True, False])
async def test_streamed_and_unstreamed_completions_are_equal(live):
    received: list[TextDelta] = []
    options = {"on_text": received.append} if live else {"reads_partial": True}
    async with remote_backend(Script(calls=[("add", '{"a": 1}')])) as (_, backend):
        plain, streamed = await sample(backend), await sample(backend, **options)
        called = await sample(backend, request(tools=[TOOL]), **options)
    assert streamed == plain and streamed.text == STORY
    assert called.tool_calls == (ToolCall("add", '{"a": 1}'),) and called.finish == "stop"
    assert not live or "".join(delta.text for delta in received) == STORY and len(received) > 5


async def test_on_text_is_called_during_decoding():
    async with remote_backend(Script(pace=0.01)) as (fake, backend):
        received: list[int] = []
        await sample(backend, on_text=lambda delta: received.append(fake.counters.tokens))
    assert received[0] < 4 < received[-1]


async def test_abort_with_running_usage_is_billed_exactly():
    async with remote_backend(Script(pace=0.04)) as (fake, backend):
        (part,) = await cancel_sample(backend, fake, reads_partial=True)
        await eventually(lambda: fake.counters.aborted == 1)
        assert (part.finish, part.tokens_known, part.completion_tokens) == ("abort", True, fake.counters.tokens)
        assert STORY.startswith(part.text) and part.prompt_tokens > 0
        assert fake.counters.in_flight == backend.load().running == 0


async def test_abort_without_running_usage_is_billed_by_its_chunks_and_its_tokens_are_unknown():
    async with remote_backend(Script(pace=0.04, vllm=False), abilities=frozenset()) as (fake, backend):
        (part,) = await cancel_sample(backend, fake, reads_partial=True)
        assert (part.finish, part.tokens_known, part.completion_tokens) == ("abort", False, fake.counters.tokens)
        assert part.text


async def test_abort_of_an_unstreamed_call_has_unknown_tokens():
    async with remote_backend(Script(pace=0.02), abilities=frozenset()) as (fake, backend):
        (part,) = await cancel_sample(backend, fake)
        assert (part.finish, part.tokens_known, part.completion_tokens) == ("abort", False, 0)


async def test_cancelling_aborts_the_upstream_call_at_once():
    async with remote_backend(Script(pace=0.01, texts=["word " * 500])) as (fake, backend):
        for options in ({}, {"reads_partial": True}, {"on_text": lambda delta: None}):
            await cancel_sample(backend, fake, **options)
            completion = fake.counters.tokens
            await eventually(lambda: fake.counters.in_flight == 0, seconds=0.1)
            assert fake.counters.tokens <= completion + 1
        assert fake.counters.aborted == 3


async def test_stream_without_done_fails_the_sample():
    async with remote_backend(Script(fault="cut")) as (_, backend):
        for options in ({"reads_partial": True}, {"on_text": lambda delta: None}):
            with pytest.raises(UpstreamFailed, match="before the response was complete"):
                await sample(backend, **options)


async def test_abort_before_the_first_byte_reports_an_empty_completion():
    async with remote_backend(Script(latency=5)) as (fake, backend):
        parts: list[Completion] = []
        chat = request()
        conversation = await backend.converse(chat, chat.prompt)
        task = asyncio.ensure_future(
            conversation.generate(chat.prompt, Sampling(max_tokens=9, reads_partial=True), on_abort=parts.append)
        )
        await eventually(lambda: fake.counters.in_flight == 1)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert [(part.finish, part.text, part.tokens_known) for part in parts] == [("abort", "", False)]
        await eventually(lambda: fake.counters.in_flight == 0)


HIGH_THRESHOLD = ConfidenceThreshold(confidence=99.0, window=3)


@pytest.mark.parametrize("script", [Script(pace=0.01), Script(pace=0.01, vllm=False)], ids=["vllm", "other"])
async def test_sample_below_the_confidence_threshold_stops_and_is_billed_exactly(script):
    async with remote_backend(script, abilities={"logprobs"}) as (fake, backend):
        completion = await sample(backend, logprobs=2, confidence_threshold=HIGH_THRESHOLD)
        await eventually(lambda: fake.counters.in_flight == 0)
        assert (completion.finish, completion.completion_tokens, completion.tokens_known) == ("unsure", 3, True)
        assert STORY.startswith(completion.text) and fake.counters.tokens <= 5 and fake.counters.aborted == 1


async def test_continuation_below_the_confidence_threshold_stops():
    async with remote_backend(Script(pace=0.01)) as (fake, backend):
        completion = await sample(backend, logprobs=2, confidence_threshold=HIGH_THRESHOLD, stop=("\n\n",))
        assert (completion.finish, len(completion.logprobs)) == ("unsure", 3) and fake.counters.tokens <= 5


async def test_confidence_threshold_leaves_a_confident_sample_as_it_is():
    async with remote_backend() as (_, backend):
        plain = await sample(backend, logprobs=2)
        watched = await sample(backend, logprobs=2, confidence_threshold=ConfidenceThreshold(0.1, 3))
    assert watched == plain and watched.finish == "stop"


async def test_sample_without_logprobs_is_not_stopped_early():
    async with remote_backend(Script(logprobs=False), abilities={"logprobs"}) as (_, backend):
        completion = await sample(backend, logprobs=2, confidence_threshold=HIGH_THRESHOLD)
    assert completion.finish == "stop"
