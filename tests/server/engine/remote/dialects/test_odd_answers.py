"""Answers that are filtered, cut off, without log-probabilities or refused in mid-stream, through the whole server."""

import json
from typing import Any

import httpx
import pytest

from tests.server.engine.remote.dialects.providers import VOTE, serve_provider

LISTING = {"data": [{"id": "m", "object": "model"}]}


def shape(content: object, finish: object = "stop", **choice: object) -> dict[str, Any]:
    """A provider that always sends this choice, streamed and not."""
    message = {"role": "assistant", "content": content}
    complete = {"index": 0, "message": message, "finish_reason": finish, **choice}
    part = {"index": 0, "delta": message, "finish_reason": finish, **choice}
    return {"models": LISTING, "plain": {"choices": [complete]}, "stream": [{"choices": [part]}, "data: [DONE]\n\n"]}


async def ask(client: httpx.AsyncClient, **fields: object) -> httpx.Response:
    body = {"model": "m", "messages": [{"role": "user", "content": "?"}], "max_tokens": 50, "cache": "no-store"}
    return await client.post("/v1/chat/completions", json=body | fields)


@pytest.mark.parametrize(("reason", "name"), [("content_filter", "content_filter"), ("SAFETY", "content_filter")])
@pytest.mark.parametrize("strategy", [VOTE, "chain_of_thought"])
async def test_filtered_answer_says_so(strategy, reason, name):
    async with serve_provider(shape("", reason)) as (client, _):
        answer = await ask(client, strategy=strategy)
        streamed = await ask(client, strategy=strategy, stream=True)
    assert answer.status_code == 200 and answer.json()["choices"][0]["finish_reason"] == name
    assert f'"finish_reason":"{name}"' in streamed.text and streamed.text.endswith("data: [DONE]\n\n")


@pytest.mark.parametrize("reason", ["error", "abort"])
async def test_answer_that_the_upstream_gave_up_is_a_502(reason):
    async with serve_provider(shape("half of", reason)) as (client, _):
        assert (await ask(client, strategy=VOTE)).status_code == 502


@pytest.mark.parametrize("logprob", [None, -9999.0, 5.0, "NaN"])
async def test_alternatives_without_a_log_probability_are_left_out(logprob):
    tops = [{"token": "42", "logprob": -0.1}, {"token": "43", "logprob": -2.0}, {"token": "44", "logprob": logprob}]
    entries = [{"token": "42", "logprob": -0.1, "bytes": None, "top_logprobs": tops}]
    vote = {"name": "self_consistency", "n": 3, "weights": "confidence", "stop_rule": "none"}
    async with serve_provider(shape("\\boxed{42}", logprobs={"content": entries})) as (client, _):
        answer = await ask(client, strategy=vote, logprobs=True, top_logprobs=3)
    assert answer.status_code == 200, answer.text
    (token,) = answer.json()["choices"][0]["logprobs"]["content"]
    assert answer.json()["cogitate"]["answer"] == "42"
    assert [each["token"] for each in token["top_logprobs"]][:2] == ["42", "43"]


async def test_error_in_a_stream_is_an_error_event():
    error = {"error": {"message": "overloaded", "type": "overloaded_error"}}
    odd = shape("The ") | {"stream": [{"choices": [{"index": 0, "delta": {"content": "The "}}]}, error]}
    async with serve_provider(odd) as (client, _):
        for fields in ({}, {"strategy": "chain_of_thought"}):
            answer = await ask(client, stream=True, **fields)
            assert "[DONE]" not in answer.text
            assert json.loads(answer.text.strip().split("\n\n")[-1].removeprefix("data: "))["error"]


async def test_upstream_that_does_not_stream_is_read_all_the_same():
    body = {"choices": [{"index": 0, "message": {"content": "\\boxed{42}"}, "finish_reason": "stop"}]}
    odd = shape("\\boxed{42}") | {"stream": [json.dumps(body)]}
    async with serve_provider(odd) as (client, _):
        plain, thought = [await ask(client, stream=True, **way) for way in ({}, {"strategy": "chain_of_thought"})]
    for answer in (plain, thought):
        assert "boxed{42}" in answer.text and answer.text.endswith("data: [DONE]\n\n")
    assert '"delta"' in plain.text and '"message"' not in plain.text


async def test_choice_that_was_not_requested_is_refused():
    odd = shape("a") | {"stream": [{"choices": [{"index": 1, "delta": {"content": "a"}}]}, "data: [DONE]\n\n"]}
    async with serve_provider(odd) as (client, _):
        for fields in ({}, {"strategy": "chain_of_thought"}):
            assert '"error"' in (await ask(client, stream=True, **fields)).text


async def test_every_sample_has_a_seed_of_its_own_where_the_upstream_takes_seeds():
    async with serve_provider(shape("\\boxed{42}")) as (client, upstream):
        upstream.bodies.clear()
        await ask(client, strategy=VOTE)
        seeds = [body.get("seed") for body in upstream.bodies]
        assert len(set(seeds)) == VOTE["n"] and all(isinstance(seed, int) and 0 <= seed < 2**31 for seed in seeds)
        upstream.bodies.clear()
        await ask(client, strategy=VOTE, seed=5)
        first = [body["seed"] for body in upstream.bodies]
        await ask(client, strategy=VOTE, seed=5)
        assert sorted(first) == sorted(body["seed"] for body in upstream.bodies[len(first) :])
        upstream.bodies.clear()
        await ask(client)
        assert "seed" not in upstream.bodies[0]


async def test_cached_answer_with_parts_and_without_counts_can_be_streamed():
    odd = shape([{"type": "text", "text": "42"}])
    del odd["plain"]["choices"][0]["index"]
    async with serve_provider(odd) as (client, _):
        fields = {"cache": "default", "temperature": 0}
        assert (await ask(client, **fields)).status_code == 200
        streamed = await ask(client, **fields, stream=True, stream_options={"include_usage": True})
    assert '"42"' in streamed.text and streamed.text.endswith("data: [DONE]\n\n")
