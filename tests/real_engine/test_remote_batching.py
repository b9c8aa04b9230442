"""Over vLLM's own server: samples that are all waited for are one call, and each is billed what vLLM counted."""

import asyncio

import pytest

from cogitate.server.protocol.chat import ChatRequest
from cogitate.strategies.core.types import Sampling
from tests.fakes.vllm_reference import generated, remote

pytest_plugins = ["tests.fakes.real_engine"]
pytestmark = [
    pytest.mark.engine,
    pytest.mark.shared,
    pytest.mark.asyncio(loop_scope="session"),
]
QUESTION = [{"role": "user", "content": "Name an animal, and say what it eats."}]


async def test_four_samples_are_one_call_with_the_bill_of_four(shared_engine):
    asked = ChatRequest.model_validate({"model": "m", "messages": QUESTION})
    sampling = Sampling(max_tokens=24, temperature=1.0, together=True)
    async with remote(shared_engine) as backend:
        assert "n" in backend.card.abilities
        await asyncio.sleep(0.3)
        before, prompt, conversation = generated(), asked.prompt, await backend.converse(asked, asked.prompt)
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(conversation.generate(prompt, sampling)) for _ in range(4)]
        made = [task.result() for task in tasks]
    assert all(one.token_ids for one in made), "a call for one sample would not have asked for its tokens"
    assert len({one.text for one in made}) > 1
    await asyncio.sleep(0.3)
    assert generated() - before == sum(one.completion_tokens for one in made)
