"""Steps go on from the very tokens that were decoded."""

import asyncio
from dataclasses import replace

import pytest

from cogitate.server.errors import ContextTooLong, Unsupported
from cogitate.strategies.core.ports import SampleFailed
from cogitate.strategies.core.types import Sampling
from cogitate.strategies.thinking.thought import CLOSE, OPEN
from tests.fakes.upstream import Script
from tests.fakes.upstream.script import STORY
from tests.server.engine.remote.fakes import one, request


async def test_steps_go_on_from_the_tokens_and_keep_their_separator():
    asked = request(stop=["NEVER"], top_p=0.9, tools=None, metadata={"a": "b"})
    async with one() as (fake, backend):
        conversation = await backend.converse(asked, asked.prompt)
        first = await conversation.generate(asked.prompt, Sampling(max_tokens=50, stop=("42.",)))
        second = await conversation.generate(first.path, Sampling(max_tokens=50, stop=("72.",)))
        rest = await conversation.generate(second.path, Sampling(max_tokens=50))
    assert first.text + second.text + rest.text == STORY
    assert (first.stopped_by, second.stopped_by, rest.stopped_by) == ("42.", "72.", None) and rest.ended
    paths = [path for path, _, _ in fake.asked]
    assert paths == ["/tokenize", "/v1/completions", "/v1/completions", "/v1/completions"]
    tokenised, *steps = [body for _, body, _ in fake.asked]
    assert tokenised["add_generation_prompt"] is True and tokenised["messages"][0]["content"].startswith("What is")
    assert steps[1]["prompt"] == [*steps[0]["prompt"], *first.token_ids]
    assert steps[2]["prompt"] == [*steps[1]["prompt"], *second.token_ids]
    assert steps[0]["stop"] == ["NEVER", "42."] and steps[0]["include_stop_str_in_output"] is True
    assert "metadata" not in steps[0] and steps[0]["top_p"] == 0.9


async def test_a_tag_of_the_models_ends_a_thought_by_its_token_and_is_no_part_of_it():
    asked, heard = request(), []
    async with one(Script(texts=[f"{OPEN} six sevens {CLOSE} 42", f"so {CLOSE}"])) as (fake, backend):
        conversation = await backend.converse(asked, asked.prompt)
        sampling = Sampling(max_tokens=50, until=f" {CLOSE}", continued=True)
        thought = await conversation.generate(asked.prompt, sampling, on_text=heard.append)
        after = await conversation.generate(thought.path.say(CLOSE), replace(sampling, max_tokens=1))
    assert thought.text == f"{OPEN} six sevens" == "".join(speech.text for speech in heard)
    assert (thought.finish, thought.stopped_by) == ("stop", sampling.until)
    assert (len(thought.token_ids), thought.completion_tokens) == (3, 4)
    assert (after.finish, after.stopped_by, after.thinking) == ("length", None, False)


async def test_a_sample_of_a_chat_can_be_gone_on_from_too():
    asked = request()
    async with one() as (fake, backend):
        conversation = await backend.converse(asked, asked.prompt)
        first = await conversation.generate(asked.prompt, Sampling(max_tokens=4, continued=True))
        rest = await conversation.generate(first.path.say(" So,"), Sampling(max_tokens=4))
    assert fake.asked[0][1]["return_token_ids"] is True and len(first.token_ids) == 4
    assert fake.asked[2][1]["prompt"] == " So," and fake.asked[2][1]["add_special_tokens"] is False
    assert rest.prompt.prefix == first.text + " So,"


async def test_a_conversation_is_tokenised_once_however_many_ask_at_once():
    asked = request()
    async with one() as (fake, backend):
        prompt = asked.prompt
        conversation = await backend.converse(asked, prompt)
        async with asyncio.TaskGroup() as group:
            for _ in range(8):
                group.create_task(conversation.generate(prompt, Sampling(max_tokens=9, stop=("42.",))))
    assert [path for path, _, _ in fake.asked].count("/tokenize") == 1


async def test_effort_and_template_shape_the_tokens_as_they_shape_the_chat():
    asked = request(reasoning_effort="low", chat_template_kwargs={"thinking": True})
    async with one() as (fake, backend):
        conversation = await backend.converse(asked, asked.prompt)
        await conversation.generate(asked.prompt, Sampling(max_tokens=9, stop=("42.",)))
    said = fake.asked[0][1]["chat_template_kwargs"]
    assert said == {"enable_thinking": True, "thinking": True, "reasoning_effort": "low"}


async def test_an_upstream_that_cannot_is_not_asked():
    asked = request()
    async with one(Script(vllm=False), able=frozenset({"seed"})) as (fake, backend):
        conversation = await backend.converse(asked, asked.prompt)
        with pytest.raises(Unsupported):
            await conversation.generate(asked.prompt, Sampling(max_tokens=9, stop=("42.",)))
    assert fake.asked == []


async def test_a_prompt_that_may_be_too_long_is_measured_before_anything_is_decoded():
    async with one() as (fake, backend):
        asked = request("word " * 3000)
        conversation = await backend.converse(asked, asked.prompt)
        assert 3000 < conversation.prompt_tokens < 4096
        asked = request("word " * 5000)
        with pytest.raises(ContextTooLong, match="4096"):
            await backend.converse(asked, asked.prompt)
    assert fake.counters.calls == 0


async def test_a_prompt_that_cannot_be_too_long_costs_no_call():
    async with one() as (fake, backend):
        asked = request("word " * 500)
        await backend.converse(asked, asked.prompt)
    assert fake.asked == []


async def test_tokens_that_are_none_lose_the_sample():
    asked = request()
    async with one() as (fake, backend):
        conversation = await backend.converse(asked, asked.prompt)
        fake.script.no_tokens = True
        with pytest.raises(SampleFailed, match="did not tell the tokens"):
            await conversation.generate(asked.prompt, Sampling(max_tokens=9, stop=("42.",)))
