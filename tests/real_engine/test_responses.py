"""POST /v1/responses on the real engine: plain responses equal vLLM's own; strategies honour the request's fields."""

import asyncio
import contextlib
import json

import httpx
import openai
import pytest
from openai.types.responses import Response

from cogitate.server.engine.vllm.env import DEMO_MODEL_NAME
from tests.fakes.open_responses import find_problems
from tests.fakes.vllm_reference import Pair

pytest_plugins = ["tests.fakes.vllm_reference"]
pytestmark = [pytest.mark.engine, pytest.mark.shared, pytest.mark.asyncio(loop_scope="session")]
DIFFERS = {"id", "created_at", "item_id", "call_id"}
"""Fields with ids and times."""
HELLO = {"model": DEMO_MODEL_NAME, "input": "Name three colours.", "max_output_tokens": 16}
SCHEMA = {
    "type": "object",
    "properties": {"colour": {"enum": ["red", "blue"]}, "n": {"type": "integer", "maximum": 9}},
    "required": ["colour", "n"],
}
FORMAT = {"type": "json_schema", "name": "c", "schema": SCHEMA}
LOGPROBS = {"include": ["message.output_text.logprobs"], "top_logprobs": 2}


CACHE_FIELDS = {"cached_tokens", "cache_write_tokens", "input_tokens_per_turn", "cached_tokens_per_turn"}


def stable(body: object) -> object:
    """Return a response without the fields that differ. Of two equal prompts the second is in the prefix cache."""
    if isinstance(body, dict):
        return {key: stable(value) for key, value in body.items() if key not in DIFFERS | CACHE_FIELDS}
    return [stable(item) for item in body] if isinstance(body, list) else body


async def post(url: str, body: object) -> httpx.Response:
    async with httpx.AsyncClient(timeout=60) as client:
        return await client.post(f"{url}/v1/responses", json=body)


async def post_to_both(pair: Pair, **fields: object) -> tuple[httpx.Response, httpx.Response]:
    body = {"temperature": 0} | HELLO | fields
    return await post(pair.ours, {"cache": "no-store"} | body), await post(pair.vllms, body)


def events(response: httpx.Response) -> list[dict]:
    return [json.loads(block.split("\ndata: ")[1]) for block in response.text.split("\n\n") if block]


PLAIN = [
    {},
    LOGPROBS,
    {"instructions": "Be brief."},
    {"temperature": 0.8, "seed": 7, "top_p": 0.9, "top_k": 20, "min_p": 0.05},
    {"presence_penalty": 0.5, "frequency_penalty": 0.5, "repetition_penalty": 1.1},
    {"logit_bias": {"28": 5, "99": -100}},
    {"stop": ["\n"], "include_stop_str_in_output": True},
    {"text": {"format": {"type": "json_object"}}, "max_output_tokens": 24},
    {"text": {"format": FORMAT}, "max_output_tokens": 40},
    {"ignore_eos": True, "metadata": {"a": "b"}, "user": "someone"},
    {"input": [{"role": "user", "content": [{"type": "input_text", "text": "Hi "}]}]},
    {
        "input": [
            {"role": "developer", "content": "Use English."},
            {"role": "user", "content": "Name a colour."},
            {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "Red"}]},
            {"role": "user", "content": "Two more?"},
        ]
    },
    {"tools": [{"type": "function", "name": "f"}], "tool_choice": "none"},
    {"input": [{"role": "user", "content": "Go on."}, {"role": "assistant", "content": "Red"}]},
]


@pytest.mark.parametrize("fields", PLAIN, ids=lambda fields: ",".join(fields) or "plain")
async def test_a_plain_response_equals_vllms_field_by_field(pair, fields):
    ours, vllms = await post_to_both(pair, **fields)
    assert ours.status_code == vllms.status_code == 200, ours.text
    assert stable(ours.json()) == stable(vllms.json())


@pytest.mark.parametrize("fields", [{}, LOGPROBS, {"text": {"format": FORMAT}}], ids=lambda f: ",".join(f) or "plain")
async def test_a_plain_stream_equals_vllms_event_by_event(pair, fields):
    # Tokens decoded faster than they are read are merged into one event, which depends on the machine's load.
    for attempt in range(3):
        ours, vllms = await post_to_both(pair, stream=True, **fields)
        if attempt == 2 or len(events(ours)) == len(events(vllms)):
            break
    assert ours.headers["content-type"] == vllms.headers["content-type"]
    assert [stable(event) for event in events(ours)] == [stable(event) for event in events(vllms)]


async def test_an_assistant_turn_of_several_parts_is_read_completely_under_a_strategy(pair):
    def turns(*texts: str) -> list[dict]:
        parts = [{"type": "output_text", "text": text} for text in texts]
        return [HELLO_TURN, {"role": "assistant", "content": parts}, {"role": "user", "content": "More?"}]

    strategy = {"name": "self_consistency", "n": 2, "instruction": ""}
    body = HELLO | {"temperature": 0, "cache": "no-store", "strategy": strategy}
    several, one = [
        (await post(pair.ours, body | {"input": turns(*t)})).json() for t in (("Red, ", "blue"), ("Red, blue",))
    ]
    assert several["usage"]["input_tokens"] == one["usage"]["input_tokens"]


HELLO_TURN = {"role": "user", "content": "Name two colours."}


async def test_the_same_turns_have_the_same_prompt_tokens_as_chat_and_as_response(pair):
    turns = [{"role": "developer", "content": "Be brief."}, HELLO_TURN]
    response = (await post(pair.ours, HELLO | {"input": turns})).json()
    async with httpx.AsyncClient(timeout=60) as client:
        body = {"model": DEMO_MODEL_NAME, "messages": turns, "max_tokens": 4}
        chat = (await client.post(f"{pair.ours}/v1/chat/completions", json=body)).json()
    assert response["usage"]["input_tokens"] == chat["usage"]["prompt_tokens"]


INVALID = [
    ({"logit_bias": {"9999999": 1}}, "logit_bias"),
    ({"stop_token_ids": [999_999]}, None),
    ({"input": "word " * 3000}, "input"),
    ({"text": {"format": FORMAT | {"schema": {"type": "nonsense"}}}}, None),
    ({"tools": [{"type": "function", "name": "f"}], "tool_choice": "required"}, None),
    ({"tools": [{"type": "function", "name": "f"}]}, None),
    ({"model": "nobody"}, "model"),
]


@pytest.mark.parametrize("how", [{}, {"stream": True}, {"strategy": "self_consistency"}], ids=",".join)
@pytest.mark.parametrize(("fields", "param"), INVALID, ids=lambda v: ",".join(v) if isinstance(v, dict) else "")
async def test_an_invalid_request_is_a_4xx_in_openais_envelope(pair, fields, param, how):
    response = await post(pair.ours, HELLO | fields | how)
    if "strategy" not in how and (await post(pair.vllms, HELLO | fields)).status_code == 200:
        assert response.status_code == 200  # a field that vLLM's own handler ignores
        return
    assert response.status_code in (400, 404), response.text[:300]
    error = response.json()["error"]
    assert set(error) == {"message", "type", "param", "code"} and error["type"] == "invalid_request_error"
    assert param is None or error["param"] == param or (error["param"] is None and "strategy" not in how)
    assert (await post(pair.ours, HELLO)).status_code == 200


@pytest.mark.parametrize(
    "model", [DEMO_MODEL_NAME, f"{DEMO_MODEL_NAME}@self_consistency", f"{DEMO_MODEL_NAME}@chain_of_thought"]
)
async def test_the_official_client_reads_responses_and_streams(pair, model):
    asked = HELLO | {"model": model, "max_output_tokens": 48}
    async with openai.AsyncOpenAI(base_url=f"{pair.ours}/v1", api_key="none", max_retries=0) as client:
        response = await client.responses.create(**asked)
        stream = [event async for event in await client.responses.create(**asked, stream=True)]
    assert response.output_text and Response.model_validate(response.model_dump(mode="json", by_alias=True))
    assert stream[0].type == "response.created" and stream[-1].type in ("response.completed", "response.incomplete")
    text = "".join(event.delta for event in stream if event.type == "response.output_text.delta")
    assert text == stream[-1].response.output_text


async def test_a_json_schema_constrains_a_strategys_answer(pair):
    body = HELLO | {"text": {"format": FORMAT}, "max_output_tokens": 60, "strategy": "self_consistency"}
    answer = Response.model_validate((await post(pair.ours, body)).json())
    if answer.status == "completed":
        assert json.loads(answer.output_text)["colour"] in ("red", "blue")


async def test_logprobs_under_a_strategy_spell_the_answer(pair):
    body = HELLO | LOGPROBS | {"strategy": {"name": "self_consistency", "answer_format": "text"}}
    (part,) = (await post(pair.ours, body)).json()["output"][0]["content"]
    assert "".join(token["token"] for token in part["logprobs"]) == part["text"]
    assert all(len(token["top_logprobs"]) == 2 for token in part["logprobs"])


@pytest.mark.parametrize("strategy", [{}, {"strategy": "self_consistency"}], ids=["plain", "strategy"])
@pytest.mark.parametrize("stream", [False, True], ids=["body", "stream"])
async def test_a_dropped_connection_aborts_all_sequences_within_a_second(pair, strategy, stream):
    long = "Write a very long story about the sea, in many paragraphs."
    body = HELLO | {"input": long, "max_output_tokens": 1500, "stream": stream, "cache": "no-store"} | strategy
    async with httpx.AsyncClient(timeout=30) as client:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(1.0), client.stream("POST", f"{pair.ours}/v1/responses", json=body):
                await asyncio.sleep(5)
    await asyncio.sleep(1.0)
    load = pair.backend.load()
    assert (load.running, load.waiting) == (0, 0) and not pair.service.jobs.live


@pytest.mark.parametrize("strategy", [{}, {"strategy": "self_consistency"}], ids=["plain", "strategy"])
async def test_a_response_in_the_background_is_polled_resumed_and_continued(pair, strategy):
    async with openai.AsyncOpenAI(base_url=f"{pair.ours}/v1", api_key="none", max_retries=0) as client:
        asked = HELLO | {"background": True, "extra_body": strategy}
        found = await client.responses.create(**asked)
        while found.status in ("queued", "in_progress"):
            await asyncio.sleep(0.05)
            found = await client.responses.retrieve(found.id)
        assert found.output_text and found.usage.output_tokens and find_problems(found.to_dict(mode="json")) == []
        stream = await client.responses.create(**asked, stream=True)
        start = [await anext(stream) for _ in range(3)]
        await stream.close()
        rest = await client.responses.retrieve(start[0].response.id, stream=True, starting_after=2)
        events = start + [event async for event in rest]
        assert [event.sequence_number for event in events] == list(range(len(events)))
        assert all(find_problems(event.to_dict(mode="json")) == [] for event in events)
        assert events[-1].response == await client.responses.retrieve(start[0].response.id)
        continued = await client.responses.create(**HELLO | {"input": "Two more?"}, previous_response_id=found.id)
        assert continued.usage.input_tokens > found.usage.input_tokens


@pytest.mark.parametrize("strategy", [{}, {"strategy": "self_consistency"}], ids=["plain", "strategy"])
async def test_cancelling_a_response_in_the_background_aborts_all_sequences(pair, strategy):
    long = HELLO | {"input": "Write a very long story.", "max_output_tokens": 1500, "background": True} | strategy
    created = (await post(pair.ours, long | {"cache": "no-store"})).json()
    async with httpx.AsyncClient(timeout=30) as client:
        url = f"{pair.ours}/v1/responses/{created['id']}"
        for _ in range(100):
            if (await client.get(url)).json()["status"] == "in_progress":
                break
            await asyncio.sleep(0.05)
        assert (await client.post(f"{url}/cancel")).json()["status"] == "cancelled"
    await asyncio.sleep(1.0)
    load = pair.backend.load()
    assert (load.running, load.waiting) == (0, 0) and not pair.service.jobs.live
