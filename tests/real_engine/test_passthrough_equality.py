"""Requests without a strategy have the responses of vLLM's own server, field by field; strategies keep its fields."""

import asyncio
import contextlib
import json
import random

import httpx
import openai
import pytest

from cogitate.server.engine.vllm.env import DEMO_MODEL_NAME
from tests.fakes.vllm_reference import Pair, count_generated_tokens

pytest_plugins = ["tests.fakes.vllm_reference"]
pytestmark = [pytest.mark.engine, pytest.mark.shared, pytest.mark.asyncio(loop_scope="session")]
DIFFERS = {"id", "created", "system_fingerprint"}
"""Fields with ids, times and versions."""
HELLO = {"model": DEMO_MODEL_NAME, "messages": [{"role": "user", "content": "Name three colours."}], "max_tokens": 16}
LONG = [{"role": "user", "content": "Write a very long story about the sea, in many paragraphs."}]
SCHEMA = {
    "type": "object",
    "properties": {"colour": {"enum": ["red", "blue"]}, "n": {"type": "integer", "maximum": 9}},
    "required": ["colour", "n"],
}


def stable(body: object) -> object:
    """Return a response without the fields that differ between any two."""
    if isinstance(body, dict):
        return {key: stable(value) for key, value in body.items() if key not in DIFFERS}
    return [stable(item) for item in body] if isinstance(body, list) else body


def open_client(pair: Pair) -> openai.AsyncOpenAI:
    return openai.AsyncOpenAI(base_url=f"{pair.ours}/v1", api_key="none", max_retries=0)


async def post(url: str, body: object) -> httpx.Response:
    async with httpx.AsyncClient(timeout=240) as client:
        return await client.post(f"{url}/v1/chat/completions", json=body)


async def post_to_both(pair: Pair, **fields: object) -> tuple[httpx.Response, httpx.Response]:
    body = {"temperature": 0, "cache": "no-store"} | HELLO | fields
    ours = await post(pair.ours, body)
    body.pop("cache")
    return ours, await post(pair.vllms, body)


STRATEGIES = [
    {"name": "chain_of_thought"},
    {"name": "self_consistency", "n": 6},
    {"name": "self_consistency", "n": 4, "weights": "p_true"},
    {"name": "best_of_n", "n": 4},
    {"name": "beam_search", "n": 4, "width": 2},
    {"name": "beam_search", "n": 2, "width": 2, "lookahead": 1},
    {"name": "dvts", "n": 4, "width": 2},
    {"name": "particle_filter", "n": 4},
    {"name": "particle_filter", "n": 2, "iterations": 2},
    {"name": "budget_forcing", "max_thinking": 16, "answer_tokens": 8},
    {"name": "budget_forcing", "max_thinking": 24, "early_exit": "probes", "probe_every": 8},
    {"name": "budget_forcing", "max_thinking": 24, "early_exit": "confidence", "probe_every": 8},
    {"name": "self_refine", "rounds": 1},
    {"name": "self_refine", "rounds": 1, "method": "verification"},
    {"name": "self_refine", "rounds": 2, "method": "tree"},
    {"name": "selection", "n": 3},
    {"name": "selection", "n": 3, "method": "knockout"},
    {"name": "synthesis", "n": 3, "loops": 1},
    {"name": "synthesis", "n": 2, "method": "pacore", "rounds": [2]},
    {"name": "synthesis", "n": 2, "method": "moa", "loops": 1},
    {"name": "synthesis", "n": 2, "method": "fusion", "notes_tokens": 64},
    {"name": "synthesis", "n": 2, "method": "pdr", "loops": 1, "notes_tokens": 64},
    {"name": "auto", "n": 6},
]
"""All but program_aided, which needs a sandbox: tests/real_engine/test_cli_serve.py."""
# tests/parity walks every field: here is every fifth combination.
PLAIN = [
    {},
    {"max_completion_tokens": 9},
    {"logprobs": True},
    {"logprobs": True, "top_logprobs": 3},
    {"n": 3, "temperature": 0.9, "seed": 5},
    {"stop": ["\n"]},
    {"stop": "a", "include_stop_str_in_output": True},
    {"temperature": 0.8, "seed": 7, "top_p": 0.9, "top_k": 20, "min_p": 0.05},
    {"presence_penalty": 0.5, "frequency_penalty": 0.5, "repetition_penalty": 1.1},
    {"logit_bias": {"28": 5, "99": -100}},
    {"response_format": {"type": "json_object"}, "max_tokens": 24},
    {"response_format": {"type": "json_schema", "json_schema": {"name": "c", "schema": SCHEMA}}, "max_tokens": 40},
    {"min_tokens": 5, "max_tokens": 6},
    {"ignore_eos": True},
    {"return_token_ids": True},
    {"messages": [{"role": "system", "content": "Be brief."}, *HELLO["messages"]]},
    {"messages": [{"role": "user", "content": [{"type": "text", "text": "Hi "}, {"type": "text", "text": "there"}]}]},
    {
        "messages": [
            *HELLO["messages"],
            {"role": "assistant", "content": "Red"},
            {"role": "user", "content": "Two more?"},
        ]
    },
    {
        "messages": [*HELLO["messages"], {"role": "assistant", "content": "Red,"}],
        "continue_final_message": True,
        "add_generation_prompt": False,
        "echo": True,
    },
    {"user": "someone"},
    {"allowed_token_ids": [100, 200, 300]},
    {"bad_words": ["red"], "stop_token_ids": [500]},
]


@pytest.mark.parametrize("fields", PLAIN[::5], ids=lambda fields: ",".join(fields) or "plain")
async def test_a_plain_chat_completion_equals_vllms_field_by_field(pair, fields):
    ours, vllms = await post_to_both(pair, **fields)
    assert ours.status_code == vllms.status_code == 200, ours.text
    assert stable(ours.json()) == stable(vllms.json())


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"stream_options": {"include_usage": True}},
        {"logprobs": True, "top_logprobs": 2},
        {"n": 2, "seed": 3, "temperature": 0.9},
    ],
    ids=lambda fields: ",".join(fields) or "plain",
)
async def test_a_plain_stream_equals_vllms_chunk_by_chunk(pair, fields):
    ours, vllms = await post_to_both(pair, stream=True, **fields)
    assert ours.headers["content-type"] == vllms.headers["content-type"]
    assert [stable(chunk) for chunk in chunks(ours)] == [stable(chunk) for chunk in chunks(vllms)]
    assert ours.text.endswith("data: [DONE]\n\n")


def chunks(response: httpx.Response) -> list[object]:
    read = [json.loads(line[6:]) for line in response.text.split("\n\n") if line.startswith("data: {")]
    if read[0]["choices"] and len({chunk["choices"][0]["index"] for chunk in read if chunk["choices"]}) > 1:
        read.sort(key=lambda chunk: chunk["choices"][0]["index"] if chunk["choices"] else 99)
    return read


COMPLETIONS = [
    {},
    {"logprobs": 2},
    {"n": 2, "temperature": 0.9, "seed": 4},
    {"prompt": ["The sky is", "Grass is"]},
    {"prompt": [504, 1420, 314]},
    {"echo": True},
    {"stop": ["\n"], "max_tokens": 30},
    {"stream": True},
    {"stream": True, "stream_options": {"include_usage": True}},
]


@pytest.mark.parametrize("fields", COMPLETIONS, ids=lambda fields: ",".join(fields) or "plain")
async def test_a_plain_text_completion_equals_vllms_field_by_field(pair, fields):
    body = {"model": DEMO_MODEL_NAME, "prompt": "The capital of France is", "max_tokens": 8, "temperature": 0} | fields
    async with httpx.AsyncClient(timeout=240) as client:
        ours = await client.post(f"{pair.ours}/v1/completions", json=body | {"cache": "no-store"})
        vllms = await client.post(f"{pair.vllms}/v1/completions", json=body)
    assert ours.status_code == vllms.status_code == 200, ours.text
    if fields.get("stream"):
        assert [stable(chunk) for chunk in chunks(ours)] == [stable(chunk) for chunk in chunks(vllms)]
    else:
        assert stable(ours.json()) == stable(vllms.json())


async def test_a_text_completion_whose_prompt_is_too_long_is_a_400_about_the_prompt(pair):
    async with httpx.AsyncClient(timeout=240) as client:
        body = {"model": DEMO_MODEL_NAME, "prompt": "word " * 3000}
        error = (await client.post(f"{pair.ours}/v1/completions", json=body)).json()["error"]
    assert (error["code"], error["param"]) == ("context_length_exceeded", "prompt")


INVALID = [
    ({"logit_bias": {"9999999": 1}}, "logit_bias", None),
    ({"logit_bias": {"not a number": 1}}, "logit_bias", None),
    ({"top_logprobs": 21, "logprobs": True}, "top_logprobs", "value_above_max_value"),
    ({"stop_token_ids": [999_999]}, None, None),
    ({"allowed_token_ids": [999_999]}, None, None),
    ({"max_tokens": 0}, "max_tokens", "value_below_min_value"),
    ({"min_tokens": 9, "max_tokens": 4}, None, None),
    ({"temperature": -1}, "temperature", "value_below_min_value"),
    ({"top_k": -5}, "top_k", "value_below_min_value"),
    ({"seed": 2**70}, "seed", None),
    ({"messages": [{"role": "user", "content": "word " * 3000}]}, "messages", "context_length_exceeded"),
    (
        {"response_format": {"type": "json_schema", "json_schema": {"name": "x", "schema": {"type": "nonsense"}}}},
        None,
        None,
    ),
    ({"tools": [{"type": "function", "function": {"name": "f"}}], "tool_choice": "required"}, None, None),
    ({"model": "nobody"}, "model", "model_not_found"),
]


@pytest.mark.parametrize("stream", [False, True], ids=["body", "stream"])
@pytest.mark.parametrize(
    ("fields", "param", "code"), INVALID, ids=lambda value: ",".join(value) if isinstance(value, dict) else ""
)
async def test_an_invalid_plain_request_is_an_error_in_openais_envelope(pair, fields, param, code, stream):
    """vLLM's own handler refuses it, and names the field where it does."""
    response = await post(pair.ours, HELLO | fields | {"stream": stream})
    assert response.status_code in (400, 404), response.text[:300]
    error = response.json()["error"]
    assert set(error) == {"message", "type", "param", "code"} and error["type"] == "invalid_request_error"
    assert error["param"] in (param, None) or param is None or param.endswith(error["param"])
    assert code not in ("context_length_exceeded", "model_not_found") or (error["code"], error["param"]) == (
        code,
        param,
    )
    assert (await post(pair.ours, HELLO)).status_code == 200


@pytest.mark.parametrize("strategy", ["chain_of_thought", "self_consistency", "best_of_n", "beam_search"])
@pytest.mark.parametrize("fields", [INVALID[0][0], INVALID[3][0], INVALID[4][0], INVALID[10][0]], ids=",".join)
async def test_an_invalid_request_with_a_strategy_is_an_error_in_openais_envelope(pair, fields, strategy):
    response = await post(pair.ours, HELLO | fields | {"strategy": strategy})
    assert response.status_code == 400 and response.json()["error"]["type"] == "invalid_request_error", response.text


async def test_a_judges_prompt_is_sampled_without_the_clients_token_constraints(pair):
    """All tokens but one are forbidden, and the judge still answers Yes or No: answering neither scores 1/2."""
    strategy = {"name": "best_of_n", "n": 2, "verifier": "judge", "instruction": ""}
    body = HELLO | {"strategy": strategy, "allowed_token_ids": [28], "max_tokens": 4, "temperature": 0}
    answer = (await post(pair.ours, body)).json()
    assert set(answer["choices"][0]["message"]["content"]) == {","} and answer["cogitate"]["score"] != 0.5


async def test_no_suffix_is_appended_to_text_that_the_client_constrains(pair):
    strategy = {"name": "chain_of_thought", "instruction": ""}
    for field in ({"allowed_token_ids": [28]}, {"stop": " the"}, {"bad_words": ["sea"]}):
        text = (await post(pair.ours, HELLO | field | {"strategy": strategy})).json()["choices"][0]["message"][
            "content"
        ]
        assert text and "Therefore, the answer is" not in text


async def test_the_official_client_raises_its_own_exception_types(pair):
    async with open_client(pair) as client:
        with pytest.raises(openai.BadRequestError) as failure:
            await client.chat.completions.create(**HELLO | {"messages": [{"role": "user", "content": "word " * 3000}]})
        assert failure.value.code == "context_length_exceeded"
        with pytest.raises(openai.NotFoundError):
            await client.chat.completions.create(**HELLO | {"model": "nobody"})
        assert (await client.models.retrieve(DEMO_MODEL_NAME)).id == DEMO_MODEL_NAME


@pytest.mark.parametrize("strategy", [None, "chain_of_thought", "self_consistency", "best_of_n", "beam_search"])
@pytest.mark.parametrize("stream", [False, True], ids=["body", "stream"])
async def test_a_dropped_connection_aborts_all_sequences_within_a_second(pair, strategy, stream):
    body = HELLO | {"messages": LONG, "max_tokens": 1500, "stream": stream, "cache": "no-store"}
    body |= {"strategy": strategy} if strategy else {}
    body |= {} if strategy == "beam_search" else {"min_tokens": 1400}
    async with httpx.AsyncClient(timeout=30) as client:
        with contextlib.suppress(TimeoutError):
            async with (
                asyncio.timeout(1.0),
                client.stream("POST", f"{pair.ours}/v1/chat/completions", json=body),
            ):
                await asyncio.sleep(5)
    await asyncio.sleep(1.0)
    load = pair.backend.load()
    assert (load.running, load.waiting) == (0, 0) and not pair.service.jobs.live


def count_billed_tokens(pair) -> float:
    """Return the generated tokens in our metrics, over all strategies."""
    (family,) = pair.service.metrics.families.generated_tokens.collect()
    samples = (s for s in family.samples if s.name.endswith("_total") and s.labels["strategy"] != "none")
    return sum(sample.value for sample in samples)


@pytest.mark.parametrize("strategy", STRATEGIES, ids=lambda strategy: "-".join(map(str, strategy.values())))
async def test_every_strategy_answers_streams_and_reports_the_engines_token_count(pair, strategy):
    asked = HELLO | {"max_tokens": 16, "extra_body": {"strategy": strategy, "cache": "no-store"}}

    async def fetch_response() -> int:
        answer = await client.chat.completions.create(**asked)
        assert answer.choices[0].message.content and answer.cogitate["strategy"] == strategy["name"]
        return answer.usage.completion_tokens

    async def fetch_stream() -> int:
        stream = await client.chat.completions.create(**asked, stream=True, stream_options={"include_usage": True})
        *chunks, last = [chunk async for chunk in stream]
        assert chunks[0].choices[0].delta.role == "assistant"
        assert chunks[-1].choices[0].finish_reason in ("stop", "length")
        assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks)
        return last.usage.completion_tokens

    async with open_client(pair) as client:
        for ask in (fetch_response, fetch_stream):
            before, bill = count_generated_tokens(), await ask()
            await asyncio.sleep(0.3)
            assert count_generated_tokens() - before == bill >= 1


async def test_the_token_count_over_mixed_concurrent_requests_is_the_engines(pair):
    """Finished, decided early, cut by a budget, cancelled and abandoned requests at once: no token is missing."""
    chance, before, ours = random.Random(3), count_generated_tokens(), count_billed_tokens(pair)

    async def ask(number: int) -> None:
        strategy = chance.choice(STRATEGIES)
        body = HELLO | {"strategy": strategy, "max_tokens": chance.choice([8, 40]), "cache": "no-store", "seed": number}
        body |= chance.choice([{}, {"stream": True}, {"budget": {"tokens": 60}}, {"budget": {"seconds": 1.0}}])
        timeout = 0.5 if number % 4 == 0 else 60
        with contextlib.suppress(httpx.TimeoutException):
            async with httpx.AsyncClient(timeout=timeout) as client:
                await client.post(f"{pair.ours}/v1/chat/completions", json=body)

    async with asyncio.TaskGroup() as group:
        for number in range(24):
            group.create_task(ask(number))
    async with asyncio.timeout(20):
        while pair.service.jobs.live or pair.backend.load().running:  # noqa: ASYNC110 the engine has no event
            await asyncio.sleep(0.05)
    await asyncio.sleep(0.5)
    assert count_generated_tokens() - before == count_billed_tokens(pair) - ours > 500


@pytest.mark.parametrize("strategy", ["chain_of_thought", "self_consistency", "best_of_n", "beam_search"])
async def test_logprobs_under_a_strategy_spell_the_answer(pair, strategy):
    body = HELLO | {"strategy": {"name": strategy, "answer_format": "text"}, "logprobs": True, "top_logprobs": 2}
    (choice,) = (await post(pair.ours, body)).json()["choices"]
    tokens = choice["logprobs"]["content"]
    assert "".join(token["token"] for token in tokens) == choice["message"]["content"]
    assert all(token["logprob"] <= 0 and len(token["top_logprobs"]) == 2 for token in tokens)


async def test_a_json_schema_constrains_every_sample_and_the_vote_compares_values(pair):
    form = {"type": "json_schema", "json_schema": {"name": "c", "schema": SCHEMA}}
    strategy = {"name": "self_consistency", "n": 4, "stop_rule": "none", "return_candidates": True}
    body = (await post(pair.ours, HELLO | {"response_format": form, "max_tokens": 60, "strategy": strategy})).json()
    complete = [json.loads(s["text"]) for s in body["cogitate"]["samples"] if s["finish_reason"] == "stop"]
    assert complete and all(value["colour"] in ("red", "blue") and value["n"] <= 9 for value in complete)
    assert json.loads(body["cogitate"]["answer"]) in complete


async def test_the_clients_stop_strings_end_the_answer_and_are_not_part_of_it(pair):
    for strategy in ("self_consistency", "beam_search"):
        body = HELLO | {"strategy": strategy, "stop": [" the"], "max_tokens": 60}
        assert " the" not in (await post(pair.ours, body)).json()["choices"][0]["message"]["content"]


async def test_a_seeded_vote_is_reproducible(pair):
    body = HELLO | {"strategy": {"name": "self_consistency", "n": 4}, "seed": 3, "cache": "no-store"}
    first, again = (await post(pair.ours, body)).json(), (await post(pair.ours, body)).json()
    assert first["choices"] == again["choices"] and first["cogitate"]["agreement"] == again["cogitate"]["agreement"]


async def test_a_repeated_prompt_reports_cached_tokens(pair):
    text = "Here is a long preface. " * 40 + "What is 2+2?"
    body = HELLO | {
        "messages": [{"role": "user", "content": text}],
        "strategy": "self_consistency",
        "cache": "no-store",
    }
    fresh, again = [(await post(pair.ours, body)).json()["usage"] for _ in range(2)]
    assert fresh["prompt_tokens_details"]["cached_tokens"] < 100 < again["prompt_tokens_details"]["cached_tokens"]
    assert fresh["prompt_tokens"] == again["prompt_tokens"]
