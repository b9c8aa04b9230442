"""Pairs of fields that an engine combines, on the real engines: an answer, or a 400 that names one of the fields."""

import asyncio
import itertools
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from cogitate.server.errors import truncate
from tests.fakes.real_engine import BorrowedBackend
from tests.fields.engines import engines
from tests.fields.problems import find_problem
from tests.fields.requests import BASE, Body, Server, small
from tests.fields.values import NAMED, SCHEMA, TOOLS, USER

pytest_plugins = ["tests.fakes.real_engine"]
pytestmark = [
    pytest.mark.engine,
    pytest.mark.shared,
    pytest.mark.timeout(900),
    pytest.mark.asyncio(loop_scope="session"),
]
FORCED_ONE = {"type": "json_schema", "json_schema": {"name": "one", "schema": {"const": 1}}}
SETTINGS: list[Body] = [
    {"tools": TOOLS},
    {"tools": TOOLS, "tool_choice": "required"},
    {"tools": TOOLS, "tool_choice": NAMED},
    {"tools": TOOLS, "tool_choice": "none"},
    {"tools": TOOLS, "parallel_tool_calls": False},
    {"tool_choice": "required"},
    {"tool_choice": NAMED},
    {"response_format": {"type": "json_object"}},
    {"response_format": {"type": "json_schema", "json_schema": {"name": "x", "schema": SCHEMA}}},
    {"logprobs": True},
    {"logprobs": True, "top_logprobs": 2},
    {"temperature": 0.05},
    {"temperature": 1.0, "top_k": 1},
    {"n": 2},
    {"seed": 7},
    {"stop": ["a", "\n\n"]},
    {"stop_token_ids": [28]},
    {"min_tokens": 4},
    {"response_format": FORCED_ONE, "min_tokens": 5},
    {"max_tokens": 1},
    {"max_completion_tokens": 3},
    {"frequency_penalty": 1.0},
    {"repetition_penalty": 1.3},
    {"logit_bias": {"28": 100}},
    {"allowed_token_ids": [28, 30]},
    {"allowed_token_ids": [2]},
    {"bad_words": ["sea"]},
    {"ignore_eos": True},
    {"stream": True, "stream_options": {"include_usage": True}},
    {"stream": True, "stream_options": {"include_progress": True}},
    {"messages": [USER, {"role": "assistant", "content": "The sea is"}], "continue_final_message": True},
    {"messages": [USER, {"role": "assistant", "content": "The sea is"}], "add_generation_prompt": False},
    {"messages": [{"role": "system", "content": "Be brief."}]},
    {"reasoning_effort": "max"},
    {"include_reasoning": False},
    {"chat_template_kwargs": {"enable_thinking": False, "documents": [{"text": "x"}]}},
    {"budget": {"tokens": 3}},
    {"return_token_ids": True},
    {"echo": True},
]
"""Settings that are valid by themselves, but for two, each of one field or of fields that belong together."""
COLUMNS = (None, "self_consistency", "chain_of_thought", "beam_search", "self_refine", "budget_forcing", "selection")
GRAMMARS = {"response_format", "tool_choice"}
CONCURRENCY = 24


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def servers(shared_engine: BorrowedBackend) -> AsyncIterator[dict[str, Server]]:
    async with engines(shared_engine) as running:
        yield running


async def send_pairs(server: Server, columns: tuple[str | None, ...], *, every: int) -> list[str]:
    """Send every `every`-th pair, each with the next of the columns in turn, and return the problems."""
    turn = asyncio.Semaphore(CONCURRENCY)

    async def send(number: int, fields: Body) -> str | None:
        column = columns[number % len(columns)]
        if column is None and "allowed_token_ids" in fields and not GRAMMARS.isdisjoint(fields):
            column = columns[1]  # vLLM itself answers a 500: a grammar that no allowed token fits
        strategy = {"strategy": small(column)} if column else {}
        body = {**BASE, "max_tokens": 6, **strategy, **fields}
        async with turn:
            response = await server.client.post(f"{server.url}/v1/chat/completions", json=body)
        problem = find_problem(response, body)
        return problem and f"{problem} to {truncate(repr({'strategy': column, **fields}), 300)}"

    pairs = [first | second for first, second in itertools.combinations(SETTINGS, 2)]
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(send(number, fields)) for number, fields in enumerate(pairs[::every])]
    return [problem for task in tasks if (problem := task.result())]


async def test_pair_is_answered_or_refused_by_name_on_vllm(servers):
    problems = await send_pairs(servers["vllm"], COLUMNS, every=2)
    assert not problems, (len(problems), problems[:8])


async def test_pair_is_answered_or_refused_by_name_on_a_remote_engine(servers):
    problems = await send_pairs(servers["remote"], ("self_consistency", "beam_search", "self_refine"), every=6)
    assert not problems, (len(problems), problems[:8])
