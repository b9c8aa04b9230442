"""The rows about upstreams that need a request of their own."""

import json
from collections.abc import Awaitable, Callable
from typing import Any

import httpx

from tests.fakes.upstream.recorded import RecordedUpstream
from tests.server.engine.remote.dialects.providers import CALLS, TOOL, VOTE

SAMPLES = 8
"""Of row S4."""
BEST_OF_TWO = {"name": "best_of_n", "n": 2, "verifier": "judge"}
Found = tuple[str, bool]
Find = Callable[[httpx.AsyncClient, RecordedUpstream], Awaitable[Found]]


async def send(client: httpx.AsyncClient, **fields: object) -> httpx.Response:
    body = {"model": "m", "messages": [{"role": "user", "content": "What is 6*7?"}], "max_tokens": 50}
    return await client.post("/v1/chat/completions", json=body | {"cache": "no-store"} | fields)


def read_body(answer: httpx.Response) -> Any:
    return answer.json() if answer.status_code == 200 else None


async def call_with_objects(client: httpx.AsyncClient, _: RecordedUpstream) -> Found:
    body = read_body(answer := await send(client, tools=[TOOL], strategy=VOTE))
    if body is None:
        return answer.text, False
    functions = [call["function"] for call in body["choices"][0]["message"]["tool_calls"]]
    is_text = all(isinstance(each["arguments"], str) for each in functions)
    calls = [(each["name"], json.loads(each["arguments"])) for each in functions]
    return f"{calls}, as text: {is_text}", is_text and calls == CALLS


async def judge_with_two_tokens(client: httpx.AsyncClient, _: RecordedUpstream) -> Found:
    body = read_body(answer := await send(client, strategy=BEST_OF_TWO))
    if body is None:
        return answer.text, False
    return f"200, failed {body['cogitate']['failed']}", body["cogitate"]["failed"] == 0


async def weigh_by_confidence(client: httpx.AsyncClient, _: RecordedUpstream) -> Found:
    vote = VOTE | {"weights": "confidence"}
    body = read_body(answer := await send(client, strategy=vote, logprobs=True, top_logprobs=2))
    if body is None:
        return answer.text, False
    (token,) = body["choices"][0]["logprobs"]["content"]
    names = [each["token"] for each in token["top_logprobs"]]
    return f"{body['cogitate']['answer']}, alternatives {names}", names == ["42"]


async def vote_on_reasoning(client: httpx.AsyncClient, _: RecordedUpstream) -> Found:
    body = read_body(answer := await send(client, strategy=VOTE))
    if body is None:
        return answer.text, False
    cogitate = body["cogitate"]
    return f"{cogitate['answer']}, warnings {cogitate.get('warnings')}", bool(
        cogitate["answer"] == "42" and cogitate.get("warnings")
    )


async def count_seeds(client: httpx.AsyncClient, upstream: RecordedUpstream) -> Found:
    vote = {"name": "self_consistency", "n": SAMPLES, "stop_rule": "none"}
    await send(client, strategy=vote)
    seeds = {body.get("seed") for body in upstream.bodies} - {None}
    return f"{len(seeds)} different seeds in {len(upstream.bodies)} calls", len(seeds) == SAMPLES
