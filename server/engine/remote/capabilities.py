"""What an upstream can do: asked in questions of a token or a few, and judged by what comes back."""

import asyncio
from collections.abc import Awaitable, Callable

import orjson

from cogitate.server.engine import Body
from cogitate.server.engine.remote.config import Path
from cogitate.server.engine.remote.errors import Lost
from cogitate.server.engine.remote.parse import choices, only_choice, usage
from cogitate.server.engine.remote.validate import are_counts, mapping, sequence
from cogitate.server.errors import ApiError
from cogitate.strategies.core.ports import Ability

Question = Callable[[Path, bytes], Awaitable[object]]
"""Asks an endpoint; the answer's JSON. Raises ApiError."""
PROBE = [{"role": "user", "content": "Name any animal."}]


async def found(model: str, ask: Question) -> frozenset[Ability]:
    checks: dict[Ability, Callable[[str, Question], Awaitable[bool]]] = {
        "continue": continues,
        "logprobs": reports_logprobs,
        "seed": repeats,
        "n": several,
    }
    async with asyncio.TaskGroup() as group:
        tasks = {ability: group.create_task(tried(check, model, ask)) for ability, check in checks.items()}
    return frozenset(ability for ability, task in tasks.items() if task.result())


async def tried(check: Callable[[str, Question], Awaitable[bool]], model: str, ask: Question) -> bool:
    try:
        return await check(model, ask)
    except ApiError:
        return False


async def continues(model: str, ask: Question) -> bool:
    """It tells the tokens of a text, decodes on from them, and tells what it decoded."""
    words = {"model": model, "prompt": "One, two, three,", "add_special_tokens": False}
    tokens = sequence(mapping(await ask("tokenize", orjson.dumps(words))).get("tokens"))
    if not tokens or not are_counts(tokens):
        return False
    body = {"model": model, "prompt": tokens, "max_tokens": 1, "return_token_ids": True}
    choice = only_choice(await ask("completions", orjson.dumps(body)))
    return bool(sequence(choice.get("token_ids")))


async def reports_logprobs(model: str, ask: Question) -> bool:
    choice = await chat(model, ask, max_tokens=1, logprobs=True, top_logprobs=2)
    entries = sequence(mapping(choice.get("logprobs")).get("content"))
    return bool(entries) and len(sequence(mapping(entries[0]).get("top_logprobs"))) >= 2


async def repeats(model: str, ask: Question) -> bool:
    """The same seed says the same twice, with much to choose from."""
    first, again = [await chat(model, ask, max_tokens=8, temperature=1.0, seed=20_011) for _ in range(2)]
    said = mapping(first.get("message"))
    if not said:
        raise Lost("sent an answer without a message")
    return said == mapping(again.get("message"))


async def several(model: str, ask: Question) -> bool:
    """It gives two answers to one call, and tells the tokens of each as it counts them."""
    fields = {"n": 2, "max_tokens": 2, "temperature": 1.0, "return_token_ids": True}
    body = await ask("chat/completions", orjson.dumps({"model": model, "messages": PROBE, **fields}))
    told = [len(sequence(choice.get("token_ids"))) for choice in choices(body, 2)]
    return min(told) > 0 and usage(mapping(body).get("usage"), 4).completion == sum(told)


async def chat(model: str, ask: Question, **fields: object) -> Body:
    body = {"model": model, "messages": PROBE, **fields}
    return only_choice(await ask("chat/completions", orjson.dumps(body)))
