"""A remote backend over vLLM's own server: joinable samples are one call, and their usage is vLLM's count."""

import asyncio

import pytest

from cogitate.server.protocol.chat import ChatRequest
from cogitate.strategies.core.types import Sampling
from tests.fakes.vllm_reference import count_generated_tokens, open_remote_backend

pytest_plugins = ["tests.fakes.real_engine"]
pytestmark = [
    pytest.mark.engine,
    pytest.mark.shared,
    pytest.mark.asyncio(loop_scope="session"),
]
QUESTION = [{"role": "user", "content": "Name an animal, and say what it eats."}]


async def test_four_joinable_samples_are_one_call_with_the_tokens_of_four(shared_engine):
    request = ChatRequest.model_validate({"model": "m", "messages": QUESTION})
    sampling = Sampling(max_tokens=24, temperature=1.0, joinable=True)
    async with open_remote_backend(shared_engine) as backend:
        assert "n" in backend.card.abilities
        await asyncio.sleep(0.3)
        before, prompt = count_generated_tokens(), request.strategy_prompt
        conversation = await backend.converse(request, prompt)
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(conversation.generate(prompt, sampling)) for _ in range(4)]
        completions = [task.result() for task in tasks]
    assert all(completion.token_ids for completion in completions), (
        "a call for a single sample does not request token ids"
    )
    assert len({completion.text for completion in completions}) > 1
    await asyncio.sleep(0.3)
    assert count_generated_tokens() - before == sum(completion.completion_tokens for completion in completions)
