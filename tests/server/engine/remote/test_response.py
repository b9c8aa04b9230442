"""Completions as OpenAI would write them."""

from cogitate.strategies.core.types import joined
from tests.fakes.upstream import Script
from tests.fakes.upstream.script import STORY
from tests.server.engine.remote.fakes import one, request, sample
from tests.server.engine.remote.test_request import TOOL


async def presented(script: Script, asked, n: int = 1, **sampling: object):
    async with one(script) as (_, backend):
        made = [await sample(backend, asked, **sampling) for _ in range(n)]
        conversation = await backend.converse(asked, asked.prompt)
        return await conversation.present(made)


async def test_a_winner_is_told_as_the_upstream_told_it():
    asked = request(tools=[TOOL], logprobs=True, top_logprobs=2)
    body = await presented(Script(calls=[("add", '{"a": 1}')]), asked, logprobs=5)
    (choice,) = body["choices"]
    assert (choice["index"], choice["finish_reason"]) == (0, "tool_calls")
    (call,) = choice["message"]["tool_calls"]
    assert call == {"id": "call-0", "type": "function", "function": {"name": "add", "arguments": '{"a": 1}'}}
    assert choice["message"]["role"] == "assistant" and choice["message"]["content"] is None
    assert body["object"] == "chat.completion" and body["id"].startswith("chatcmpl-")


async def test_logprobs_are_as_many_as_the_client_asked_for():
    body = await presented(Script(), request(logprobs=True, top_logprobs=2), logprobs=5)
    entries = body["choices"][0]["logprobs"]["content"]
    assert "".join(entry["token"] for entry in entries) == STORY
    assert all([other["logprob"] for other in entry["top_logprobs"]] == [-0.5, -1.5] for entry in entries)
    assert bytes(entries[0]["bytes"]).decode() == entries[0]["token"]
    assert (await presented(Script(), request(), logprobs=5))["choices"][0]["logprobs"] is None


async def test_reasoning_is_kept_apart():
    body = await presented(Script(reasoning="Hm. ", texts=["72"]), request())
    message = body["choices"][0]["message"]
    assert (message["reasoning_content"], message["content"]) == ("Hm. ", "72")


async def test_several_answers_are_numbered_and_billed_together():
    body = await presented(Script(texts=["one", "two"]), request(), n=2)
    assert [(c["index"], c["message"]["content"]) for c in body["choices"]] == [(0, "one"), (1, "two")]
    assert body["usage"]["completion_tokens"] == 4


async def test_joined_steps_are_a_plain_message_of_their_text():
    asked = request(logprobs=True)
    async with one() as (_, backend):
        step = await sample(backend, asked, stop=("42.",), logprobs=0)
        rest = await sample(backend, asked, logprobs=0)
        conversation = await backend.converse(asked, asked.prompt)
        body = await conversation.present([joined([step, rest])])
    (choice,) = body["choices"]
    assert choice["message"] == {"role": "assistant", "content": step.text + STORY, "refusal": None}
    assert len(choice["logprobs"]["content"]) == len(step.logprobs) + len(rest.logprobs)


async def test_what_the_upstream_adds_of_its_own_goes_no_further():
    body = await presented(Script(), request(logprobs=True))
    assert body["choices"][0].keys() == {"index", "message", "logprobs", "finish_reason"}
    assert body["choices"][0]["message"].keys() == {"role", "content", "refusal"}
    assert body["model"] == "fake"
