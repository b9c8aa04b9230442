"""Samples that are kept and used again on the real engine, in process and over the remote engine."""

from collections.abc import AsyncIterator

import httpx
import pytest
import pytest_asyncio

from cogitate.server.engine.vllm.env import DEMO_MODEL_NAME
from tests.fakes.vllm_reference import serve_pair
from tests.fields.engines import remote

pytest_plugins = ["tests.fakes.real_engine"]
pytestmark = [pytest.mark.engine, pytest.mark.shared, pytest.mark.asyncio(loop_scope="session")]
COLOURS = {"model": DEMO_MODEL_NAME, "messages": [{"role": "user", "content": "Name three colours."}], "stop": ["e"]}


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def urls(shared_engine) -> AsyncIterator[dict[str, str]]:
    async with serve_pair(shared_engine) as pair, remote(f"{pair.vllms}/v1") as url:
        yield {"vllm": pair.ours, "remote": url}


@pytest.mark.parametrize("engine", ["vllm", "remote"])
@pytest.mark.parametrize("fields", [{}, {"logprobs": True, "top_logprobs": 2}], ids=["text", "logprobs"])
async def test_larger_vote_goes_on_from_the_samples_of_the_smaller_one(urls, engine, fields):
    async with httpx.AsyncClient(base_url=urls[engine], timeout=120) as client:
        answers = []
        for n in (2, 4):
            strategy = {"name": "self_consistency", "n": n, "stop_rule": "none", "return_candidates": True}
            response = await client.post("/v1/chat/completions", json=COLOURS | {"strategy": strategy} | fields)
            answers.append(response.raise_for_status().json())
    first, second = (answer["cogitate"] for answer in answers)
    old = [sample["text"] for sample in second["samples"] if sample.get("reused")]
    assert sorted(old) == sorted(sample["text"] for sample in first["samples"]) and second["candidates"] == 4
    new = sum(sample["tokens"] for sample in second["samples"] if not sample.get("reused"))
    assert answers[1]["usage"]["completion_tokens"] == new
    choice = answers[1]["choices"][0]
    assert choice["message"]["content"] == next(s["text"] for s in second["samples"] if s["chosen"])
    assert bool(choice["logprobs"] and choice["logprobs"]["content"]) == bool(fields)
