"""Steps continue from exactly the token ids that were decoded."""

import asyncio
from dataclasses import replace

import pytest

from cogitate.server.errors import ContextTooLong, UnsupportedParameter
from cogitate.strategies.core.ports import SampleFailed
from cogitate.strategies.core.types import Sampling
from cogitate.strategies.thinking.tags import CLOSE_TAG, OPEN_TAG
from tests.fakes.upstream import Script
from tests.fakes.upstream.script import STORY
from tests.server.engine.remote.fakes import remote_backend, request


async def test_steps_continue_from_token_ids_and_include_their_separator():
    chat = request(stop=["NEVER"], top_p=0.9, tools=None, metadata={"a": "b"})
    async with remote_backend() as (fake, backend):
        conversation = await backend.converse(chat, chat.prompt)
        first = await conversation.generate(chat.prompt, Sampling(max_tokens=50, stop=("42.",)))
        second = await conversation.generate(first.continuation, Sampling(max_tokens=50, stop=("72.",)))
        rest = await conversation.generate(second.continuation, Sampling(max_tokens=50))
    assert first.text + second.text + rest.text == STORY
    assert (first.stopped_by, second.stopped_by, rest.stopped_by) == ("42.", "72.", None) and rest.is_complete
    paths = [path for path, _, _ in fake.requests]
    assert paths == ["/tokenize", "/v1/completions", "/v1/completions", "/v1/completions"]
    tokenised, *steps = [body for _, body, _ in fake.requests]
    assert tokenised["add_generation_prompt"] is True and tokenised["messages"][0]["content"].startswith("What is")
    assert steps[1]["prompt"] == [*steps[0]["prompt"], *first.token_ids]
    assert steps[2]["prompt"] == [*steps[1]["prompt"], *second.token_ids]
    assert steps[0]["stop"] == ["NEVER", "42."] and steps[0]["include_stop_str_in_output"] is True
    assert "metadata" not in steps[0] and steps[0]["top_p"] == 0.9


async def test_text_ends_before_the_close_tag_by_its_token_id():
    chat, received = request(), []
    async with remote_backend(Script(texts=[f"{OPEN_TAG} six sevens {CLOSE_TAG} 42", f"so {CLOSE_TAG}"])) as (
        fake,
        backend,
    ):
        conversation = await backend.converse(chat, chat.prompt)
        sampling = Sampling(max_tokens=50, until=f" {CLOSE_TAG}", needs_token_ids=True)
        thought = await conversation.generate(chat.prompt, sampling, on_text=received.append)
        after = await conversation.generate(thought.continuation.prefill(CLOSE_TAG), replace(sampling, max_tokens=1))
    assert thought.text == f"{OPEN_TAG} six sevens" == "".join(delta.text for delta in received)
    assert (thought.finish, thought.stopped_by) == ("stop", sampling.until)
    assert (len(thought.token_ids), thought.completion_tokens) == (3, 4)
    assert (after.finish, after.stopped_by, after.thinking) == ("length", None, False)


async def test_continuation_of_a_chat_sample_uses_its_token_ids():
    chat = request()
    async with remote_backend() as (fake, backend):
        conversation = await backend.converse(chat, chat.prompt)
        first = await conversation.generate(chat.prompt, Sampling(max_tokens=4, needs_token_ids=True))
        rest = await conversation.generate(first.continuation.prefill(" So,"), Sampling(max_tokens=4))
    assert fake.requests[0][1]["return_token_ids"] is True and len(first.token_ids) == 4
    assert fake.requests[2][1]["prompt"] == " So," and fake.requests[2][1]["add_special_tokens"] is False
    assert rest.prompt.prefix == first.text + " So,"


async def test_prompt_is_tokenised_once_for_concurrent_samples():
    chat = request()
    async with remote_backend() as (fake, backend):
        prompt = chat.prompt
        conversation = await backend.converse(chat, prompt)
        async with asyncio.TaskGroup() as group:
            for _ in range(8):
                group.create_task(conversation.generate(prompt, Sampling(max_tokens=9, stop=("42.",))))
    assert [path for path, _, _ in fake.requests].count("/tokenize") == 1


async def test_tokenisation_passes_reasoning_effort_and_template_arguments():
    chat = request(reasoning_effort="low", chat_template_kwargs={"thinking": True})
    async with remote_backend() as (fake, backend):
        conversation = await backend.converse(chat, chat.prompt)
        await conversation.generate(chat.prompt, Sampling(max_tokens=9, stop=("42.",)))
    arguments = fake.requests[0][1]["chat_template_kwargs"]
    assert arguments == {"enable_thinking": True, "thinking": True, "reasoning_effort": "low"}


async def test_step_without_the_continue_ability_makes_no_call():
    chat = request()
    async with remote_backend(Script(vllm=False), abilities=frozenset({"seed"})) as (fake, backend):
        conversation = await backend.converse(chat, chat.prompt)
        with pytest.raises(UnsupportedParameter):
            await conversation.generate(chat.prompt, Sampling(max_tokens=9, stop=("42.",)))
    assert fake.requests == []


async def test_long_prompt_is_counted_before_decoding():
    async with remote_backend() as (fake, backend):
        chat = request("word " * 3000)
        conversation = await backend.converse(chat, chat.prompt)
        assert 3000 < conversation.prompt_tokens < 4096
        chat = request("word " * 5000)
        with pytest.raises(ContextTooLong, match="4096"):
            await backend.converse(chat, chat.prompt)
    assert fake.counters.calls == 0


async def test_short_prompt_needs_no_tokenisation():
    async with remote_backend() as (fake, backend):
        chat = request("word " * 500)
        await backend.converse(chat, chat.prompt)
    assert fake.requests == []


async def test_invalid_token_ids_fail_the_sample():
    chat = request()
    async with remote_backend() as (fake, backend):
        conversation = await backend.converse(chat, chat.prompt)
        fake.script.no_tokens = True
        with pytest.raises(SampleFailed, match="no token ids"):
            await conversation.generate(chat.prompt, Sampling(max_tokens=9, stop=("42.",)))
