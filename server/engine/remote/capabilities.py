"""Probes what an upstream supports, by calls of a few tokens whose responses are checked."""

import asyncio
from collections.abc import Awaitable, Callable

import orjson

from cogitate.server.engine import Body
from cogitate.server.engine.remote.config import Endpoint
from cogitate.server.engine.remote.dialects.usage import parse_usage
from cogitate.server.engine.remote.errors import UpstreamFailed
from cogitate.server.engine.remote.parse import parse_choices, parse_single_choice
from cogitate.server.engine.remote.validate import are_counts, as_dict, as_list
from cogitate.server.errors import ApiError
from cogitate.strategies.core.ports import Ability

FetchJson = Callable[[Endpoint, bytes], Awaitable[object]]
"""Posts a body to an endpoint; returns the response's JSON. Raises ApiError."""
Probe = Callable[[str, FetchJson], Awaitable[bool]]
PROBED_FIELDS = frozenset({"n", "seed", "logprobs", "top_logprobs"})
"""Fields that a probe is about: where the upstream refuses one, the ability is missing."""
PROBE_MESSAGES = [{"role": "user", "content": "Name any animal."}]


async def probe_abilities(model: str, fetch: FetchJson) -> frozenset[Ability]:
    """Return the abilities that `model` shows. A probe that fails counts as an ability that is missing."""
    probes: dict[Ability, Probe] = {
        "continue": can_continue,
        "logprobs": can_report_logprobs,
        "seed": can_seed,
        "n": can_batch,
    }
    async with asyncio.TaskGroup() as group:
        tasks = {ability: group.create_task(run_probe(probe, model, fetch)) for ability, probe in probes.items()}
    return frozenset(ability for ability, task in tasks.items() if task.result())


async def run_probe(probe: Probe, model: str, fetch: FetchJson) -> bool:
    """Return what the probe finds; False where its calls fail."""
    try:
        return await probe(model, fetch)
    except ApiError:
        return False


async def can_continue(model: str, fetch: FetchJson) -> bool:
    """Whether it tokenises a text, continues token ids and reports the ids that it decoded."""
    text = {"model": model, "prompt": "One, two, three,", "add_special_tokens": False}
    tokens = as_list(as_dict(await fetch("tokenize", orjson.dumps(text))).get("tokens"))
    if not tokens or not are_counts(tokens):
        return False
    body = {"model": model, "prompt": tokens, "max_tokens": 1, "return_token_ids": True}
    choice = parse_single_choice(await fetch("completions", orjson.dumps(body)))
    return bool(as_list(choice.get("token_ids")))


async def can_report_logprobs(model: str, fetch: FetchJson) -> bool:
    """Whether it reports alternatives for a token."""
    choice = await fetch_choice(model, fetch, max_tokens=1, logprobs=True, top_logprobs=2)
    entries = as_list(as_dict(choice.get("logprobs")).get("content"))
    return bool(entries) and len(as_list(as_dict(entries[0]).get("top_logprobs"))) >= 2


async def can_seed(model: str, fetch: FetchJson) -> bool:
    """Whether the same seed gives the same text twice, at a temperature that leaves many choices."""
    first, second = [await fetch_choice(model, fetch, max_tokens=8, temperature=1.0, seed=20_011) for _ in range(2)]
    message = as_dict(first.get("message"))
    if not message:
        raise UpstreamFailed("returned a choice without a message")
    return message == as_dict(second.get("message"))


async def can_batch(model: str, fetch: FetchJson) -> bool:
    """Whether it returns two choices for n=2, and reports the ids of each in agreement with its usage."""
    fields = {"n": 2, "max_tokens": 2, "temperature": 1.0, "return_token_ids": True}
    body = await fetch("chat/completions", orjson.dumps({"model": model, "messages": PROBE_MESSAGES, **fields}))
    lengths = [len(as_list(choice.get("token_ids"))) for choice in parse_choices(body, 2)]
    return min(lengths) > 0 and parse_usage(as_dict(body).get("usage"), 4).completion == sum(lengths)


async def fetch_choice(model: str, fetch: FetchJson, **fields: object) -> Body:
    """Fetch the one choice of a chat with these fields. Raises ApiError."""
    body = {"model": model, "messages": PROBE_MESSAGES, **fields}
    return parse_single_choice(await fetch("chat/completions", orjson.dumps(body)))
