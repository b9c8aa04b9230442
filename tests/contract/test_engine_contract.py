"""The contract of every Backend, tested on the scripted one, on vLLM and on a remote one over vLLM's own server."""

import asyncio
import math
from collections.abc import AsyncIterator
from itertools import chain

import pytest
import pytest_asyncio

from cogitate.server.engine import Backend, Conversation
from cogitate.server.errors import ApiError, ContextTooLong
from cogitate.server.protocol.chat import ChatRequest
from cogitate.strategies.core.label_probs import MAX_LABELS, spell_letters
from cogitate.strategies.core.ports import SampleFailed
from cogitate.strategies.core.scripted import ScriptedEngine
from cogitate.strategies.core.types import Completion, ConfidenceThreshold, Sampling, TextDelta
from tests.fakes.backend import ScriptedBackend
from tests.fakes.real_engine import BorrowedBackend
from tests.fakes.vllm_reference import open_remote_backend

STORY = (
    "Once upon a time there was a king.\n\nHe had a daughter, and she had a cat, and so it went on and on.\n\nThe end."
)


REAL = [pytest.mark.engine, pytest.mark.shared]


@pytest.fixture(scope="module")
def scripted_engine() -> Backend:
    return ScriptedBackend(ScriptedEngine([STORY * 20], pace=0.001))


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def remote_engine(shared_engine: BorrowedBackend) -> AsyncIterator[Backend]:
    async with open_remote_backend(shared_engine) as backend:
        yield backend


@pytest.fixture(
    scope="module",
    params=[
        "scripted_engine",
        pytest.param("shared_engine", marks=REAL),
        pytest.param("remote_engine", marks=REAL),
    ],
    ids=["scripted", "vllm", "remote"],
)
def backend(request: pytest.FixtureRequest) -> Backend:
    backend: Backend = request.getfixturevalue(request.param)
    return backend


pytest_plugins = ["tests.fakes.real_engine"]
pytestmark = pytest.mark.asyncio(loop_scope="session")


def request(text: str = "Tell me a long story.", **fields: object) -> ChatRequest:
    return ChatRequest.model_validate({"model": "m", "messages": [{"role": "user", "content": text}], **fields})


async def converse(backend: Backend, request: ChatRequest) -> Conversation:
    return await backend.converse(request, request.prompt, "salt")


async def complete(backend: Backend, request: ChatRequest, **sampling: object) -> Completion:
    decode = await converse(backend, request)
    return await decode.generate(
        request.prompt, Sampling(**{"max_tokens": 24, "temperature": 0.0, "needs_token_ids": True, **sampling})
    )


async def becomes_idle(backend: Backend) -> bool:
    for _ in range(100):
        if backend.load().running + backend.load().waiting == 0:
            return True
        await asyncio.sleep(0.01)
    return False


async def test_max_tokens_ends_a_completion_with_finish_length(backend):
    made = await complete(backend, request(), max_tokens=5)
    assert (made.finish, made.completion_tokens, len(made.token_ids)) == ("length", 5, 5)
    assert not made.is_complete and made.prompt_tokens > 0 and made.text


async def test_a_stop_string_ends_the_text_and_is_part_of_it(backend):
    made = await complete(backend, request(), stop=(" a",), max_tokens=200)
    assert (made.finish, made.stopped_by) == ("stop", " a") and made.text.endswith(" a") and not made.is_complete


async def test_a_tag_ends_the_text_by_its_token_and_is_not_part_of_it(backend):
    plain = await complete(backend, request(), max_tokens=200)
    made = await complete(backend, request(), until=" a", max_tokens=200)
    assert (made.finish, made.stopped_by, made.thinking) == ("stop", " a", False) and not made.text.endswith(" a")
    assert len(made.token_ids) == made.completion_tokens - 1 and plain.text.startswith(f"{made.text} a")


async def test_a_continuation_starts_from_the_decoded_tokens(backend):
    asked = request()
    uninterrupted = await complete(backend, asked, max_tokens=24)
    decode = await converse(backend, asked)
    first = await decode.generate(asked.prompt, Sampling(max_tokens=10, temperature=0.0, needs_token_ids=True))
    assert first.token_ids == uninterrupted.token_ids[:10]
    second = await decode.generate(first.continuation, Sampling(max_tokens=14, temperature=0.0, needs_token_ids=True))
    assert second.prompt_tokens == uninterrupted.prompt_tokens + 10
    assert second.prompt.segments[0].ids == first.token_ids
    if isinstance(backend, ScriptedBackend):
        return
    assert first.token_ids + second.token_ids == uninterrupted.token_ids
    assert first.text + second.text == uninterrupted.text


async def test_text_can_be_appended_to_a_decoded_prefix(backend):
    asked = request()
    decode = await converse(backend, asked)
    first = await decode.generate(asked.prompt, Sampling(max_tokens=4, temperature=0.0, needs_token_ids=True))
    after = await decode.generate(first.continuation.prefill(" Therefore"), Sampling(max_tokens=2, temperature=0.0))
    assert after.prompt.prefix == first.text + " Therefore"
    assert after.prompt_tokens > first.prompt_tokens + 4


async def test_on_text_receives_text_while_it_is_decoded(backend):
    deltas: list[TextDelta] = []
    asked = request()
    decode = await converse(backend, asked)
    made = await decode.generate(asked.prompt, Sampling(max_tokens=12, temperature=0.0), on_text=deltas.append)
    assert "".join(delta.text for delta in deltas) == made.text and len(deltas) > 3


async def test_cancelling_aborts_the_sequence_and_passes_its_partial_completion_to_on_abort(backend):
    parts: list[Completion] = []
    started = asyncio.Event()
    asked = request()
    decode = await converse(backend, asked)
    task = asyncio.create_task(
        decode.generate(
            asked.prompt,
            Sampling(max_tokens=2000, temperature=0.0, needs_token_ids=True),
            on_text=lambda _: started.set(),
            on_abort=parts.append,
        )
    )
    await started.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    (part,) = parts
    assert part.finish == "abort" and 0 < part.completion_tokens < 2000
    assert part.completion_tokens == len(part.token_ids) and part.text
    assert await becomes_idle(backend)


@pytest.mark.engine
@pytest.mark.shared
async def test_an_exception_in_on_text_aborts_the_sequence_and_loses_the_sample(shared_engine: BorrowedBackend):
    """One of vLLM's parsers may raise over a model's output."""
    parts: list[Completion] = []

    def raise_error(_: TextDelta) -> None:
        raise ValueError("malformed output")

    asked = request()
    decode = await converse(shared_engine, asked)
    with pytest.raises(SampleFailed, match="ValueError$"):
        await decode.generate(asked.prompt, Sampling(max_tokens=2000), on_text=raise_error, on_abort=parts.append)
    assert await becomes_idle(shared_engine) and 0 < parts[0].completion_tokens < 2000


async def test_labels_of_one_request_leave_the_alternatives_of_concurrent_ones_unchanged(backend):
    """In one batch, one request asks for label probabilities and another for its likeliest tokens."""
    asked = request()
    decode = await converse(backend, asked)
    sampling = Sampling(max_tokens=24, temperature=0.0, logprobs=5)
    alone = await decode.generate(asked.prompt, sampling)
    labels = Sampling(max_tokens=1, temperature=0.0, labels=("Yes", "No"), auxiliary=True)
    concurrent = asyncio.ensure_future(decode.generate(asked.prompt, sampling))
    while not concurrent.done():
        await decode.generate(asked.prompt, labels)
    reported = (await concurrent).logprobs
    assert [token.id for token in reported] == [token.id for token in alone.logprobs]
    for token, other in zip(reported, alone.logprobs, strict=True):
        assert len({each.text for each in token.top}) == 5 and token.top[0].text == other.top[0].text
        assert [each.logprob for each in token.top] == pytest.approx([each.logprob for each in other.top], abs=0.5)


@pytest.mark.parametrize("after", [0, 0.0005, 0.002, 0.01, 0.05])
async def test_a_cancellation_at_any_moment_leaves_no_sequence_in_the_engine(backend, after):
    asked = request()
    decode = await converse(backend, asked)
    tasks = [asyncio.create_task(decode.generate(asked.prompt, Sampling(max_tokens=500))) for _ in range(8)]
    await asyncio.sleep(after)
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)
    assert all(task.cancelled() for task in tasks) and await becomes_idle(backend)


async def test_logprobs_are_reported_only_on_request(backend):
    asked = request()
    plain = await complete(backend, asked, max_tokens=6)
    bare = await complete(backend, asked, max_tokens=6, logprobs=0)
    top = await complete(backend, asked, max_tokens=6, logprobs=5)
    assert plain.logprobs == () and plain.mean_logprob is None
    assert len(bare.logprobs) == len(top.logprobs) == 6
    assert all(token.logprob <= 0 and token.top == () for token in bare.logprobs)
    assert all(len(token.top) == 5 for token in top.logprobs)
    assert all(a.logprob >= b.logprob for token in top.logprobs for a, b in zip(token.top, token.top[1:], strict=False))


async def test_labels_have_log_probabilities_as_the_next_token(backend):
    made = await complete(backend, request("Is 2+2=4? Yes or No."), max_tokens=1, labels=("Yes", "No"), auxiliary=True)
    assert set(made.labels) == {"Yes", "No"} and all(logprob <= 0 for logprob in made.labels.values())
    assert made.completion_tokens == 1


async def test_as_many_labels_as_are_allowed_are_reported_at_once(backend):
    letters = tuple(chain.from_iterable(spell_letters(MAX_LABELS)))
    made = await complete(backend, request("Which letter is first?"), max_tokens=1, labels=letters, auxiliary=True)
    assert len(letters) == MAX_LABELS and made.labels and made.completion_tokens == 1


async def test_samples_of_one_prompt_differ(backend):
    if isinstance(backend, ScriptedBackend):
        pytest.skip("the scripted engine does not sample")
    asked = request()
    decode = await converse(backend, asked)
    async with asyncio.TaskGroup() as group:
        tasks = [
            group.create_task(decode.generate(asked.prompt, Sampling(max_tokens=16, temperature=1.0))) for _ in range(4)
        ]
    assert len({task.result().text for task in tasks}) > 1


async def test_a_seed_reproduces_text_and_tokens(backend):
    asked = request()
    first = await complete(backend, asked, temperature=1.0, seed=11)
    again = await complete(backend, asked, temperature=1.0, seed=11)
    assert first.text == again.text and first.token_ids == again.token_ids


async def test_a_prompt_longer_than_the_context_is_a_400_before_decoding(backend):
    with pytest.raises(ContextTooLong) as failure:
        await converse(backend, request("word " * 20_000))
    assert (failure.value.status, failure.value.code, failure.value.param) == (
        400,
        "context_length_exceeded",
        "messages",
    )
    assert len(failure.value.message) < 600


async def test_a_later_prompt_longer_than_the_context_raises_and_the_conversation_remains_usable(backend):
    decode = await converse(backend, request())
    with pytest.raises(ContextTooLong):
        await decode.generate(request("word " * 20_000).prompt, Sampling(max_tokens=4, auxiliary=True))
    assert (await decode.generate(request().prompt, Sampling(max_tokens=4))).text


async def test_build_response_returns_an_openai_chat_completion(backend):
    asked = request(max_tokens=8)
    decode = await converse(backend, asked)
    made = await decode.generate(asked.prompt, Sampling(max_tokens=8, temperature=0.0))
    body = await decode.build_response([made])
    (choice,) = body["choices"]
    assert body["object"] == "chat.completion"
    assert choice["message"]["content"] == made.text and choice["message"]["role"] == "assistant"
    assert choice["finish_reason"] == "length"


async def test_answer_returns_a_body_or_one_complete_sse_event_per_item(backend):
    body = await backend.answer(request(max_tokens=6, temperature=0), "salt")
    assert isinstance(body, dict) and body["usage"]["completion_tokens"] == 6
    stream = await backend.answer(request(max_tokens=6, temperature=0, stream=True), "salt")
    events = [event async for event in stream]
    assert events[-1] == "data: [DONE]\n\n"
    assert all(event.startswith("data: ") and event.index("\n\n") == len(event) - 2 for event in events)


async def test_an_invalid_field_raises_an_api_error(backend):
    if isinstance(backend, ScriptedBackend):
        pytest.skip("the scripted engine has no token range")
    with pytest.raises(ApiError) as failure:
        await backend.answer(request(max_tokens=4, logit_bias={"9999999": 1.0}), "salt")
    assert failure.value.status == 400


async def test_a_sample_ends_where_its_confidence_falls_below_the_threshold(backend):
    made = await complete(
        backend, request(), max_tokens=200, logprobs=5, confidence_threshold=ConfidenceThreshold(math.inf, 6)
    )
    assert made.finish == "unsure" and made.ends_early and not made.is_complete and made.text
    assert 6 <= made.completion_tokens < 60 and made.tokens_known
    assert len(made.logprobs) == len(made.token_ids) == made.completion_tokens
    assert await becomes_idle(backend)


async def test_a_threshold_does_not_change_a_sample_above_it(backend):
    plain = await complete(backend, request(), logprobs=5)
    monitored = await complete(backend, request(), logprobs=5, confidence_threshold=ConfidenceThreshold(0.0, 6))
    assert (monitored.text, monitored.token_ids, monitored.finish) == (plain.text, plain.token_ids, plain.finish)


async def test_a_threshold_needs_a_full_window_of_tokens(backend):
    made = await complete(
        backend, request(), max_tokens=8, logprobs=5, confidence_threshold=ConfidenceThreshold(math.inf, 9)
    )
    assert (made.finish, made.completion_tokens) == ("length", 8)


async def test_a_sample_with_a_threshold_can_be_cancelled(backend):
    parts: list[Completion] = []
    started = asyncio.Event()
    asked = request()
    decode = await converse(backend, asked)
    sampling = Sampling(
        max_tokens=2000,
        temperature=0.0,
        needs_token_ids=True,
        logprobs=5,
        confidence_threshold=ConfidenceThreshold(0.0, 6),
    )
    callbacks = {"on_text": lambda _: started.set(), "on_abort": parts.append}
    task = asyncio.create_task(decode.generate(asked.prompt, sampling, **callbacks))
    await started.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert [part.finish for part in parts] == ["abort"] and await becomes_idle(backend)
