"""When an answer is streamed, what is heard of it, and what an abort leaves and costs."""

import asyncio
import contextlib

import pytest

from cogitate.server.engine.remote.errors import Lost
from cogitate.strategies.core.types import Call, Completion, Floor, Sampling, Speech
from tests.fakes.upstream import FakeUpstream, Script
from tests.fakes.upstream.script import STORY
from tests.server.engine.remote.fakes import eventually, one, request, sample
from tests.server.engine.remote.test_request import TOOL


async def cancelled(backend, fake: FakeUpstream, tokens: int = 5, **sampling: object) -> list[Completion]:
    """What on_abort hears of a sample that is cancelled once so many tokens were made."""
    parts: list[Completion] = []
    before = fake.counters.tokens
    task = asyncio.ensure_future(sample(backend, on_abort=parts.append, **sampling))
    await eventually(lambda: fake.counters.tokens >= before + tokens)
    await asyncio.sleep(0.005)
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task
    return parts


async def test_an_answer_is_streamed_only_where_somebody_reads_it_as_it_grows():
    async with one() as (fake, backend):
        await sample(backend)
        await sample(backend, partial=True)
        await sample(backend, on_text=lambda speech: None)
    plain, partial, live = [body for _, body, _ in fake.asked]
    assert "stream" not in plain and "stream_options" not in plain
    assert partial["stream"] is live["stream"] is True
    assert live["stream_options"] == {"include_usage": True, "continuous_usage_stats": True}


async def test_an_upstream_that_is_no_vllm_is_not_asked_for_what_only_vllm_knows():
    async with one(Script(vllm=False), able=frozenset()) as (fake, backend):
        await sample(backend, partial=True)
    ((_, body, _),) = fake.asked
    assert body["stream_options"] == {"include_usage": True} and "return_token_ids" not in body


@pytest.mark.parametrize("live", [True, False])
async def test_a_streamed_answer_is_the_same_as_a_whole_one(live):
    heard: list[Speech] = []
    hearing = {"on_text": heard.append} if live else {"partial": True}
    async with one(Script(calls=[("add", '{"a": 1}')])) as (_, backend):
        whole, streamed = await sample(backend), await sample(backend, **hearing)
        called = await sample(backend, request(tools=[TOOL]), **hearing)
    assert streamed == whole and streamed.text == STORY
    assert called.calls == (Call("add", '{"a": 1}'),) and called.finish == "stop"
    assert not live or "".join(speech.text for speech in heard) == STORY and len(heard) > 5


async def test_text_is_heard_while_it_is_decoded():
    async with one(Script(pace=0.01)) as (fake, backend):
        heard: list[int] = []
        await sample(backend, on_text=lambda speech: heard.append(fake.counters.tokens))
    assert heard[0] < 4 < heard[-1]


async def test_an_abort_is_billed_to_the_token_where_the_upstream_counts_as_it_goes():
    async with one(Script(pace=0.04)) as (fake, backend):
        (part,) = await cancelled(backend, fake, partial=True)
        await eventually(lambda: fake.counters.aborted == 1)
        assert (part.finish, part.counted, part.completion_tokens) == ("abort", True, fake.counters.tokens)
        assert STORY.startswith(part.text) and part.prompt_tokens > 0
        assert fake.counters.in_flight == backend.load().running == 0


@pytest.mark.parametrize("script", [Script(pace=0.02, vllm=False), Script(pace=0.02)])
async def test_an_abort_that_nobody_counted_says_so(script):
    """By a plain call nothing comes before the end; by a stream of OpenAI's no usage does."""
    async with one(script, able=frozenset()) as (fake, backend):
        (part,) = await cancelled(backend, fake, partial=not script.vllm)
    assert (part.finish, part.counted, part.completion_tokens) == ("abort", False, 0)
    assert part.text or script.vllm


async def test_cancelling_closes_the_upstream_at_once():
    async with one(Script(pace=0.01, texts=["word " * 500])) as (fake, backend):
        for hearing in ({}, {"partial": True}, {"on_text": lambda speech: None}):
            await cancelled(backend, fake, **hearing)
            made = fake.counters.tokens
            await eventually(lambda: fake.counters.in_flight == 0, seconds=0.1)
            assert fake.counters.tokens <= made + 1
        assert fake.counters.aborted == 3


async def test_without_an_end_a_stream_is_lost_even_if_its_text_is_whole():
    async with one(Script(fault="cut")) as (_, backend):
        for hearing in ({"partial": True}, {"on_text": lambda speech: None}):
            with pytest.raises(Lost, match="before the answer was complete"):
                await sample(backend, **hearing)


async def test_an_abort_before_anything_was_said():
    async with one(Script(latency=5)) as (fake, backend):
        parts: list[Completion] = []
        asked = request()
        conversation = await backend.converse(asked, asked.prompt)
        task = asyncio.ensure_future(
            conversation.generate(asked.prompt, Sampling(max_tokens=9, partial=True), on_abort=parts.append)
        )
        await eventually(lambda: fake.counters.in_flight == 1)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert [(part.finish, part.text, part.counted) for part in parts] == [("abort", "", False)]
        await eventually(lambda: fake.counters.in_flight == 0)


FLOOR = Floor(confidence=99.0, window=3)


@pytest.mark.parametrize("script", [Script(pace=0.01), Script(pace=0.01, vllm=False)], ids=["vllm", "other"])
async def test_a_sample_below_its_floor_is_left_at_once_and_billed_to_the_token(script):
    async with one(script, able={"logprobs"}) as (fake, backend):
        made = await sample(backend, logprobs=2, floor=FLOOR)
        await eventually(lambda: fake.counters.in_flight == 0)
        assert (made.finish, made.completion_tokens, made.counted) == ("unsure", 3, True)
        assert STORY.startswith(made.text) and fake.counters.tokens <= 5 and fake.counters.aborted == 1


async def test_a_continuation_is_watched_too():
    async with one(Script(pace=0.01)) as (fake, backend):
        made = await sample(backend, logprobs=2, floor=FLOOR, stop=("\n\n",))
        assert (made.finish, len(made.logprobs)) == ("unsure", 3) and fake.counters.tokens <= 5


async def test_a_sample_above_its_floor_is_the_same_as_without_one():
    async with one() as (_, backend):
        whole = await sample(backend, logprobs=2)
        watched = await sample(backend, logprobs=2, floor=Floor(0.1, 3))
    assert watched == whole and watched.finish == "stop"


async def test_an_upstream_that_reports_nothing_is_not_judged_by_nothing():
    async with one(Script(logprobs=False), able={"logprobs"}) as (_, backend):
        made = await sample(backend, logprobs=2, floor=FLOOR)
    assert made.finish == "stop"
