"""OpenAI responses built from completions."""

from cogitate.strategies.core.joining import join_steps
from tests.fakes.upstream import Script
from tests.fakes.upstream.script import STORY
from tests.server.engine.remote.fakes import remote_backend, request, sample
from tests.server.engine.remote.test_request import TOOL


async def build_body(script: Script, chat, n: int = 1, **sampling: object):
    async with remote_backend(script) as (_, backend):
        completions = [await sample(backend, chat, **sampling) for _ in range(n)]
        conversation = await backend.converse(chat, chat.prompt)
        return await conversation.build_response(completions)


async def test_tool_call_response_copies_the_upstreams_choice():
    chat = request(tools=[TOOL], logprobs=True, top_logprobs=2)
    body = await build_body(Script(calls=[("add", '{"a": 1}')]), chat, logprobs=5)
    (choice,) = body["choices"]
    assert (choice["index"], choice["finish_reason"]) == (0, "tool_calls")
    (call,) = choice["message"]["tool_calls"]
    assert call == {"id": "call-0", "type": "function", "function": {"name": "add", "arguments": '{"a": 1}'}}
    assert choice["message"]["role"] == "assistant" and choice["message"]["content"] is None
    assert body["object"] == "chat.completion" and body["id"].startswith("chatcmpl-")


async def test_logprobs_have_the_clients_number_of_alternatives():
    body = await build_body(Script(), request(logprobs=True, top_logprobs=2), logprobs=5)
    entries = body["choices"][0]["logprobs"]["content"]
    assert "".join(entry["token"] for entry in entries) == STORY
    assert all([other["logprob"] for other in entry["top_logprobs"]] == [-0.5, -1.5] for entry in entries)
    assert bytes(entries[0]["bytes"]).decode() == entries[0]["token"]
    assert (await build_body(Script(), request(), logprobs=5))["choices"][0]["logprobs"] is None


async def test_reasoning_content_is_a_separate_field():
    body = await build_body(Script(reasoning="Hm. ", texts=["72"]), request())
    message = body["choices"][0]["message"]
    assert (message["reasoning_content"], message["content"]) == ("Hm. ", "72")


async def test_several_completions_have_indices_and_one_usage():
    body = await build_body(Script(texts=["one", "two"]), request(), n=2)
    assert [(c["index"], c["message"]["content"]) for c in body["choices"]] == [(0, "one"), (1, "two")]
    assert body["usage"]["completion_tokens"] == 4


async def test_joined_steps_become_one_plain_message():
    chat = request(logprobs=True)
    async with remote_backend() as (_, backend):
        step = await sample(backend, chat, stop=("42.",), logprobs=0)
        rest = await sample(backend, chat, logprobs=0)
        conversation = await backend.converse(chat, chat.prompt)
        body = await conversation.build_response([join_steps([step, rest])])
    (choice,) = body["choices"]
    assert choice["message"] == {"role": "assistant", "content": step.text + STORY, "refusal": None}
    assert len(choice["logprobs"]["content"]) == len(step.logprobs) + len(rest.logprobs)


async def test_unknown_upstream_fields_are_absent():
    body = await build_body(Script(), request(logprobs=True))
    assert body["choices"][0].keys() == {"index", "message", "logprobs", "finish_reason"}
    assert body["choices"][0]["message"].keys() == {"role", "content", "refusal"}
    assert body["model"] == "fake"
