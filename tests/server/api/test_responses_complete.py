"""POST /v1/responses without a stream, with every strategy and by the engine alone, read by the official client."""

import openai
import pytest
from openai.types.responses import Response

from cogitate.strategies.core.scripted import ScriptedEngine
from tests.fakes.live_server import HELLO, live
from tests.server.api.responses_client import QUESTION, ask

pytestmark = pytest.mark.live
NAMES = ["chain_of_thought", "self_consistency", "best_of_n", "beam_search"]


def answers(*numbers):
    return ScriptedEngine([f"so it is \\boxed{{{number}}}" for number in numbers])


@pytest.mark.parametrize("strategy", NAMES)
def test_every_strategy_answers_the_official_client(strategy):
    with live(answers(42)) as server:
        response = server.client().responses.create(
            model="scripted", input=QUESTION, extra_body={"strategy": {"name": strategy}}
        )
        assert response.output_text == "so it is \\boxed{42}" and response.status == "completed"
        assert response.cogitate["strategy"] == strategy and response.cogitate["answer"] == "42"
        assert response.usage.output_tokens == server.engine.decoded
        assert response.usage.total_tokens == response.usage.input_tokens + response.usage.output_tokens


async def test_asynchronous_client_gets_an_answer():
    with live(answers(42)) as server:
        async with openai.AsyncOpenAI(base_url=f"{server.url}/v1", api_key="none", max_retries=0) as client:
            response = await client.responses.create(model="scripted@self_consistency", input=QUESTION)
    assert response.output_text == "so it is \\boxed{42}" and response.model == "scripted@self_consistency"


@pytest.mark.parametrize("fields", [{}, {"strategy": "self_consistency"}], ids=["plain", "strategy"])
def test_every_field_has_the_type_of_the_official_client(fields):
    with live(answers(42)) as server:
        body = ask(server, **fields).json()
    assert Response.model_validate(body, strict=True).output_text == "so it is \\boxed{42}"


SEPARATE = {"name": "self_consistency", "reasoning": "separate"}
MORE = {"role": "user", "content": "And twice that?"}


def test_plain_request_returns_the_engines_own_response():
    with live(answers(42)) as server:
        body = ask(server).json()
    assert body["output"][0]["id"] == "msg_scripted" and "cogitate" not in body
    assert body["model"] == "scripted" and body["id"].startswith("resp_")


def test_response_echoes_the_request_options():
    options = {
        "instructions": "Be brief.",
        "temperature": 0.5,
        "top_p": 0.9,
        "max_output_tokens": 50,
        "metadata": {"job": "7"},
        "user": "someone",
        "reasoning": {"effort": "low", "summary": "auto"},
        "text": {"format": {"type": "text"}},
        "parallel_tool_calls": False,
    }
    with live(answers(42)) as server:
        body = ask(server, strategy="self_consistency", **options).json()
    assert {name: body[name] for name in options} == options


def test_client_that_keeps_no_state_gets_the_reasoning_as_text_and_may_send_it_back():
    stateless = {"store": False, "include": ["reasoning.encrypted_content"], "strategy": SEPARATE}
    with live(answers(42)) as server:
        first = ask(server, **stateless).json()["output"]
        again = ask(server, input=[{"role": "user", "content": QUESTION}, *first, MORE], **stateless)
    assert [item["type"] for item in first] == ["reasoning", "message"]
    assert first[0]["content"] and not first[0].get("encrypted_content")
    assert first[1]["content"][0]["logprobs"] == [] and again.status_code == 200


def test_instructions_precede_the_complete_conversation():
    with live(answers(42)) as server:
        turns = [
            {"role": "developer", "content": "Use numbers."},
            {"role": "user", "content": [{"type": "input_text", "text": "Hi "}, {"type": "input_text", "text": "you"}]},
            {"role": "assistant", "content": [{"type": "output_text", "text": "Yes?"}]},
            {"role": "user", "content": QUESTION},
        ]
        ask(server, instructions="Be brief.", input=turns, strategy={"name": "self_consistency", "instruction": ""})
        prompt, _ = server.engine.calls[0]
    assert [(message.role, message.text) for message in prompt.messages] == [
        ("system", "Be brief."),
        ("developer", "Use numbers."),
        ("user", "Hi you"),
        ("assistant", "Yes?"),
        ("user", QUESTION),
    ]


def test_output_can_be_sent_back_as_input():
    with live(answers(42)) as server:
        client = server.client()
        for model in ("scripted", "scripted@self_consistency"):
            first = client.responses.create(model=model, input=QUESTION)
            turns = [{"role": "user", "content": QUESTION}, *first.output, {"role": "user", "content": "Sure?"}]
            assert client.responses.create(model=model, input=turns).output_text


def test_truncated_answer_is_incomplete():
    with live(ScriptedEngine(["one two three four five six"])) as server:
        for fields in ({"max_output_tokens": 3}, {"budget": {"tokens": 3}}):
            body = ask(server, strategy="chain_of_thought", **fields).json()
            assert body["status"] == body["output"][0]["status"] == "incomplete"
            assert body["incomplete_details"] == {"reason": "max_output_tokens"}


@pytest.mark.parametrize(
    ("reasoning", "content", "reasons"),
    [("inline", "so it is \\boxed{42}", None), ("separate", "42", "so it is \\boxed{42}"), ("hidden", "42", None)],
)
def test_reasoning_option_places_the_reasoning(reasoning, content, reasons):
    with live(answers(42)) as server:
        body = ask(server, strategy={"name": "self_consistency", "reasoning": reasoning}).json()
    answer = {item["type"]: item["content"][0]["text"] for item in body["output"]}
    assert answer == {"message": content} | ({"reasoning": reasons} if reasons else {})


def test_logprobs_are_included_on_request():
    with live(answers(42)) as server:
        strategy = {"name": "self_consistency", "n": 1}
        wanted = {"include": ["message.output_text.logprobs"], "top_logprobs": 2}
        ask(server, strategy=strategy)
        ask(server, strategy=strategy, **wanted)
        asked = [sampling.logprobs for _, sampling in server.engine.calls]
    assert asked == [None, 2]


def test_chat_and_responses_share_cached_answers():
    with live(answers(42)) as server:
        server.ask(strategy="self_consistency", messages=[{"role": "user", "content": "one"}])
        ask(server, strategy="self_consistency", input="two")
        made = len(server.engine.calls)
        here = ask(server, strategy="self_consistency", input="one")
        chat = server.ask(strategy="self_consistency", messages=[{"role": "user", "content": "two"}])
        assert len(server.engine.calls) == made
    assert here.headers["x-cache"] == chat.headers["x-cache"] == "hit"
    assert here.json()["output"][0]["content"][0]["text"] == chat.json()["choices"][0]["message"]["content"]
    assert here.json()["object"] == "response" and here.json()["cogitate"]["cache"] == "hit"


def test_plain_response_is_cached_only_if_it_repeats_exactly_and_not_shared_with_chats():
    with live(answers(42)) as server:
        server.ask(temperature=0, **HELLO)
        cached = [ask(server, temperature=0, metadata={"job": job}) for job in "12"]
        fresh = [ask(server) for _ in range(2)]
    assert [answer.headers.get("x-cache") for answer in (*cached, *fresh)] == [None, "hit", None, None]
    assert [answer.json()["metadata"] for answer in cached] == [{"job": "1"}, {"job": "2"}]
    assert cached[0].json()["id"] != cached[1].json()["id"] and cached[1].json()["object"] == "response"


def test_repeated_idempotency_key_returns_the_same_response():
    with live(answers(42)) as server:
        first, again = [
            ask(server, {"Idempotency-Key": "k"}, cache="no-store", strategy="self_consistency") for _ in range(2)
        ]
        assert first.json() == again.json()
        assert ask(server, {"Idempotency-Key": "k"}, input="another").status_code == 422
