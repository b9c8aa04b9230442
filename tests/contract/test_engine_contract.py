"""What every engine promises, asked of the scripted one and of the real one alike."""

import asyncio
import math
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from cogitate.server.engine import Backend, Conversation
from cogitate.server.errors import ApiError, ContextTooLong
from cogitate.server.protocol.chat import ChatRequest
from cogitate.strategies.core.ports import SampleFailed
from cogitate.strategies.core.types import Completion, Floor, Sampling, Speech
from tests.fakes.real_engine import Lent
from tests.fakes.scripted import ScriptedBackend, ScriptedEngine
from tests.fakes.vllm_reference import remote

STORY = (
    "Once upon a time there was a king.\n\nHe had a daughter, and she had a cat, and so it went on and on.\n\nThe end."
)


REAL = [pytest.mark.engine, pytest.mark.shared]


@pytest.fixture(scope="module")
def scripted() -> Backend:
    return ScriptedBackend(ScriptedEngine([STORY * 20], pace=0.001))


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def remote_engine(shared_engine: Lent) -> AsyncIterator[Backend]:
    async with remote(shared_engine) as opened:
        yield opened


@pytest.fixture(
    scope="module",
    params=[
        "scripted",
        pytest.param("shared_engine", marks=REAL),
        pytest.param("remote_engine", marks=REAL),
    ],
    ids=["scripted", "vllm", "remote"],
)
def backend(request: pytest.FixtureRequest) -> Backend:
    opened: Backend = request.getfixturevalue(request.param)
    return opened


pytest_plugins = ["tests.fakes.real_engine"]
pytestmark = pytest.mark.asyncio(loop_scope="session")


def request(text: str = "Tell me a long story.", **fields: object) -> ChatRequest:
    return ChatRequest.model_validate({"model": "m", "messages": [{"role": "user", "content": text}], **fields})


async def conversation(backend: Backend, asked: ChatRequest) -> Conversation:
    return await backend.converse(asked, asked.prompt, "salt")


async def complete(backend: Backend, asked: ChatRequest, **sampling: object) -> Completion:
    decode = await conversation(backend, asked)
    return await decode.generate(
        asked.prompt, Sampling(**{"max_tokens": 24, "temperature": 0.0, "continued": True, **sampling})
    )


async def idle(backend: Backend) -> bool:
    for _ in range(100):
        if backend.load().running + backend.load().waiting == 0:
            return True
        await asyncio.sleep(0.01)
    return False


async def test_a_limit_is_kept_and_told(backend):
    made = await complete(backend, request(), max_tokens=5)
    assert (made.finish, made.completion_tokens, len(made.token_ids)) == ("length", 5, 5)
    assert not made.ended and made.prompt_tokens > 0 and made.text


async def test_a_stop_string_ends_the_text_and_is_kept(backend):
    made = await complete(backend, request(), stop=(" a",), max_tokens=200)
    assert (made.finish, made.stopped_by) == ("stop", " a") and made.text.endswith(" a") and not made.ended


async def test_a_tag_ends_the_text_by_its_token_and_is_no_part_of_it(backend):
    plain = await complete(backend, request(), max_tokens=200)
    made = await complete(backend, request(), until=" a", max_tokens=200)
    assert (made.finish, made.stopped_by, made.thinking) == ("stop", " a", False) and not made.text.endswith(" a")
    assert len(made.token_ids) == made.completion_tokens - 1 and plain.text.startswith(f"{made.text} a")


async def test_a_continuation_goes_on_from_the_very_tokens(backend):
    asked = request()
    whole = await complete(backend, asked, max_tokens=24)
    decode = await conversation(backend, asked)
    first = await decode.generate(asked.prompt, Sampling(max_tokens=10, temperature=0.0, continued=True))
    assert first.token_ids == whole.token_ids[:10]
    second = await decode.generate(first.path, Sampling(max_tokens=14, temperature=0.0, continued=True))
    assert second.prompt_tokens == whole.prompt_tokens + 10
    assert second.prompt.pieces[0].ids == first.token_ids
    if isinstance(backend, ScriptedBackend):
        return
    assert first.token_ids + second.token_ids == whole.token_ids
    assert first.text + second.text == whole.text


async def test_words_of_ours_are_said_after_them(backend):
    asked = request()
    decode = await conversation(backend, asked)
    first = await decode.generate(asked.prompt, Sampling(max_tokens=4, temperature=0.0, continued=True))
    after = await decode.generate(first.path.say(" Therefore"), Sampling(max_tokens=2, temperature=0.0))
    assert after.prompt.prefix == first.text + " Therefore"
    assert after.prompt_tokens > first.prompt_tokens + 4


async def test_text_is_heard_as_it_is_decoded(backend):
    heard: list[Speech] = []
    asked = request()
    decode = await conversation(backend, asked)
    made = await decode.generate(asked.prompt, Sampling(max_tokens=12, temperature=0.0), on_text=heard.append)
    assert "".join(speech.text for speech in heard) == made.text and len(heard) > 3


async def test_cancelling_aborts_the_decode_and_tells_what_was_made(backend):
    parts: list[Completion] = []
    speaking = asyncio.Event()
    asked = request()
    decode = await conversation(backend, asked)
    task = asyncio.create_task(
        decode.generate(
            asked.prompt,
            Sampling(max_tokens=2000, temperature=0.0, continued=True),
            on_text=lambda _: speaking.set(),
            on_abort=parts.append,
        )
    )
    await speaking.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    (part,) = parts
    assert part.finish == "abort" and 0 < part.completion_tokens < 2000
    assert part.completion_tokens == len(part.token_ids) and part.text
    assert await idle(backend)


@pytest.mark.engine
@pytest.mark.shared
async def test_a_decode_whose_hearer_fails_is_lost_and_ended(shared_engine: Lent):
    """A parser of vLLM's may fail over what a model writes."""
    parts: list[Completion] = []

    def fails(_: Speech) -> None:
        raise ValueError("over what the model wrote")

    asked = request()
    decode = await conversation(shared_engine, asked)
    with pytest.raises(SampleFailed, match="ValueError$"):
        await decode.generate(asked.prompt, Sampling(max_tokens=2000), on_text=fails, on_abort=parts.append)
    assert await idle(shared_engine) and 0 < parts[0].completion_tokens < 2000


async def test_a_verdict_takes_no_alternatives_from_the_decodes_beside_it(backend):
    """In one batch, one asks for the probabilities of labels, and another for its likeliest tokens."""
    asked = request()
    decode = await conversation(backend, asked)
    sampling = Sampling(max_tokens=24, temperature=0.0, logprobs=5)
    alone = await decode.generate(asked.prompt, sampling)
    labels = Sampling(max_tokens=1, temperature=0.0, labels=("Yes", "No"), auxiliary=True)
    beside = asyncio.ensure_future(decode.generate(asked.prompt, sampling))
    while not beside.done():
        await decode.generate(asked.prompt, labels)
    told = (await beside).logprobs
    assert [token.id for token in told] == [token.id for token in alone.logprobs]
    for token, other in zip(told, alone.logprobs, strict=True):
        assert len({each.text for each in token.top}) == 5 and token.top[0].text == other.top[0].text
        assert [each.logprob for each in token.top] == pytest.approx([each.logprob for each in other.top], abs=0.5)


@pytest.mark.parametrize("after", [0, 0.0005, 0.002, 0.01, 0.05])
async def test_a_cancel_at_any_moment_leaves_nothing_behind(backend, after):
    asked = request()
    decode = await conversation(backend, asked)
    tasks = [asyncio.create_task(decode.generate(asked.prompt, Sampling(max_tokens=500))) for _ in range(8)]
    await asyncio.sleep(after)
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)
    assert all(task.cancelled() for task in tasks) and await idle(backend)


async def test_logprobs_come_when_asked_and_only_then(backend):
    asked = request()
    plain = await complete(backend, asked, max_tokens=6)
    bare = await complete(backend, asked, max_tokens=6, logprobs=0)
    top = await complete(backend, asked, max_tokens=6, logprobs=5)
    assert plain.logprobs == () and plain.mean_logprob is None
    assert len(bare.logprobs) == len(top.logprobs) == 6
    assert all(token.logprob <= 0 and token.top == () for token in bare.logprobs)
    assert all(len(token.top) == 5 for token in top.logprobs)
    assert all(a.logprob >= b.logprob for token in top.logprobs for a, b in zip(token.top, token.top[1:], strict=False))


async def test_labels_are_reported_for_exactly_the_next_token(backend):
    made = await complete(backend, request("Is 2+2=4? Yes or No."), max_tokens=1, labels=("Yes", "No"), auxiliary=True)
    assert set(made.labels) == {"Yes", "No"} and all(logprob <= 0 for logprob in made.labels.values())
    assert made.completion_tokens == 1


async def test_samples_share_a_prompt_and_differ(backend):
    if isinstance(backend, ScriptedBackend):
        pytest.skip("a script says what it says")
    asked = request()
    decode = await conversation(backend, asked)
    async with asyncio.TaskGroup() as group:
        tasks = [
            group.create_task(decode.generate(asked.prompt, Sampling(max_tokens=16, temperature=1.0))) for _ in range(4)
        ]
    assert len({task.result().text for task in tasks}) > 1


async def test_a_seed_repeats_exactly(backend):
    asked = request()
    first = await complete(backend, asked, temperature=1.0, seed=11)
    again = await complete(backend, asked, temperature=1.0, seed=11)
    assert first.text == again.text and first.token_ids == again.token_ids


async def test_a_context_that_is_too_long_is_refused_before_anything_is_decoded(backend):
    with pytest.raises(ContextTooLong) as refusal:
        await conversation(backend, request("word " * 20_000))
    assert (refusal.value.status, refusal.value.code, refusal.value.param) == (
        400,
        "context_length_exceeded",
        "messages",
    )
    assert len(refusal.value.message) < 600


async def test_so_is_a_later_prompt_of_the_same_request(backend):
    decode = await conversation(backend, request())
    with pytest.raises(ContextTooLong):
        await decode.generate(request("word " * 20_000).prompt, Sampling(max_tokens=4, auxiliary=True))
    assert (await decode.generate(request().prompt, Sampling(max_tokens=4))).text


async def test_a_completion_is_presented_as_openai_would(backend):
    asked = request(max_tokens=8)
    decode = await conversation(backend, asked)
    made = await decode.generate(asked.prompt, Sampling(max_tokens=8, temperature=0.0))
    body = await decode.present([made])
    (choice,) = body["choices"]
    assert body["object"] == "chat.completion"
    assert choice["message"]["content"] == made.text and choice["message"]["role"] == "assistant"
    assert choice["finish_reason"] == "length"


async def test_the_engine_answers_a_plain_request_by_itself(backend):
    body = await backend.answer(request(max_tokens=6, temperature=0), "salt")
    assert isinstance(body, dict) and body["usage"]["completion_tokens"] == 6
    lines = [line async for line in await backend.answer(request(max_tokens=6, temperature=0, stream=True), "salt")]
    assert lines[-1] == "data: [DONE]\n\n" and all(line.startswith("data: ") for line in lines)


async def test_what_the_engine_refuses_is_an_api_error(backend):
    if isinstance(backend, ScriptedBackend):
        pytest.skip("the scripted engine has no vocabulary to be out of")
    with pytest.raises(ApiError) as refusal:
        await backend.answer(request(max_tokens=4, logit_bias={"9999999": 1.0}), "salt")
    assert refusal.value.status == 400


async def test_a_sample_that_falls_below_its_floor_is_ended_there(backend):
    made = await complete(backend, request(), max_tokens=200, logprobs=5, floor=Floor(math.inf, 6))
    assert made.finish == "unsure" and made.cut and not made.ended and made.text
    assert 6 <= made.completion_tokens < 60 and made.counted
    assert len(made.logprobs) == len(made.token_ids) == made.completion_tokens
    assert await idle(backend)


async def test_a_sample_above_its_floor_is_what_it_would_be_without_one(backend):
    plain = await complete(backend, request(), logprobs=5)
    floored = await complete(backend, request(), logprobs=5, floor=Floor(0.0, 6))
    assert (floored.text, floored.token_ids, floored.finish) == (plain.text, plain.token_ids, plain.finish)


async def test_a_window_that_never_fills_ends_nothing(backend):
    made = await complete(backend, request(), max_tokens=8, logprobs=5, floor=Floor(math.inf, 9))
    assert (made.finish, made.completion_tokens) == ("length", 8)


async def test_a_sample_that_is_watched_can_be_cancelled_like_any_other(backend):
    parts: list[Completion] = []
    speaking = asyncio.Event()
    asked = request()
    decode = await conversation(backend, asked)
    sampling = Sampling(max_tokens=2000, temperature=0.0, continued=True, logprobs=5, floor=Floor(0.0, 6))
    hearing = {"on_text": lambda _: speaking.set(), "on_abort": parts.append}
    task = asyncio.create_task(decode.generate(asked.prompt, sampling, **hearing))
    await speaking.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert [part.finish for part in parts] == ["abort"] and await idle(backend)
