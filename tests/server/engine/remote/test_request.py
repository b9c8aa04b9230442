"""One sample: the upstream request, and the completion built from its response."""

from cogitate.server.protocol.completion import CompletionRequest
from cogitate.strategies.core.prompt import Message, Prompt
from cogitate.strategies.core.types import Sampling, ToolCall
from tests.fakes.upstream import Script
from tests.fakes.upstream.script import STORY
from tests.server.engine.remote.fakes import remote_backend, request, sample

TOOL = {"type": "function", "function": {"name": "add", "parameters": {"type": "object"}}}


async def test_client_fields_reach_the_upstream():
    fields = {
        "tools": [TOOL],
        "tool_choice": "auto",
        "response_format": {"type": "json_object"},
        "logit_bias": {"7": 2.0},
        "stop": ["END"],
        "presence_penalty": 0.5,
        "frequency_penalty": 0.25,
        "top_p": 0.9,
        "user": "u-1",
        "metadata": {"a": "b"},
        "reasoning_effort": "low",
        "top_k": 20,
        "min_p": 0.05,
    }
    async with remote_backend() as (fake, backend):
        await sample(backend, request(**fields, strategy="self_consistency", cache="no-store"), temperature=0.6, seed=5)
    ((path, body, _),) = fake.requests
    assert path == "/v1/chat/completions" and fields.items() <= body.items()
    assert (body["temperature"], body["seed"], body["max_tokens"], body["model"]) == (0.6, 5, 100, "fake")
    assert not {"strategy", "cache", "budget", "stream", "n", "logprobs"} & body.keys()


async def test_strategy_limit_replaces_the_clients_limit_in_the_same_field():
    async with remote_backend() as (fake, backend):
        await sample(backend, request(max_completion_tokens=900, max_tokens=800), max_tokens=30)
        await sample(backend, request(max_tokens=800), max_tokens=10**6)
    (_, newer, _), (_, older, _) = fake.requests
    assert newer["max_completion_tokens"] == 30 and "max_tokens" not in newer
    assert older["max_tokens"] == 4096, "the upstream rejects more than its context length"


async def test_response_becomes_a_completion():
    async with remote_backend() as (_, backend):
        completion = await sample(backend, needs_token_ids=True)
        assert (await sample(backend)).token_ids == (), "ids are requested only for samples that are continued"
    assert (completion.text, completion.content, completion.finish, completion.tokens_known) == (
        STORY,
        None,
        "stop",
        True,
    )
    assert completion.completion_tokens == 17 and len(completion.token_ids) == 16, (
        "the end-of-turn token is decoded but not part of the text"
    )
    assert completion.prompt_tokens > 0 and completion.cached_tokens == completion.prompt_tokens // 2


async def test_reasoning_is_part_of_text_but_not_of_content():
    async with remote_backend(Script(reasoning="Let me think. ", texts=["72"])) as (_, backend):
        completion = await sample(backend)
    assert (completion.text, completion.content) == ("Let me think. 72", "72")


async def test_tool_calls_are_in_the_completion():
    async with remote_backend(Script(calls=[("add", '{"a": 1}'), ("add", '{"a": 2}')])) as (_, backend):
        completion = await sample(backend, request(tools=[TOOL]))
    assert completion.tool_calls == (ToolCall("add", '{"a": 1}'), ToolCall("add", '{"a": 2}'))
    assert (completion.finish, completion.text, completion.content) == ("stop", "", "")


async def test_logprobs_of_the_requested_width_are_in_the_completion():
    async with remote_backend() as (fake, backend):
        bare = await sample(backend, logprobs=0)
        top = await sample(backend, logprobs=3)
        none = await sample(backend)
    bodies = [body for _, body, _ in fake.requests]
    assert [body.get("top_logprobs") for body in bodies] == [None, 3, None]
    assert [body.get("logprobs") for body in bodies] == [True, True, None]
    assert none.logprobs == () and all(token.logprob == -0.5 and token.top == () for token in bare.logprobs)
    assert [token.logprob for token in top.logprobs[0].top] == [-0.5, -1.5, -2.5]
    assert "".join(token.text for token in top.logprobs) == STORY


async def test_auxiliary_verdict_reads_alternatives_and_omits_client_fields():
    chat = request(tools=[TOOL], stop=["x"], logit_bias={"7": 2.0}, response_format={"type": "json_object"})
    async with remote_backend(Script(texts=["Yes"])) as (fake, backend):
        completion = await sample(
            backend, chat, max_tokens=1, labels=("Yes", "other 1", "No"), auxiliary=True, temperature=0.0
        )
    ((_, body, _),) = fake.requests
    own = {"model", "messages", "temperature", "max_tokens", "logprobs", "top_logprobs", "chat_template_kwargs"}
    assert body.keys() == own and body["chat_template_kwargs"] == {"enable_thinking": False}
    assert (body["logprobs"], body["top_logprobs"], body["max_tokens"]) == (True, 20, 1)
    assert completion.labels == {"Yes": -0.5, "other 1": -1.5}


async def test_missing_usage_leaves_tokens_unknown():
    async with remote_backend(Script(usage=False)) as (_, backend):
        completion = await sample(backend)
    assert (completion.tokens_known, completion.completion_tokens, completion.prompt_tokens) == (
        False,
        0,
        0,
    ) and completion.text == STORY


async def test_raw_prompt_goes_to_completions_verbatim():
    raw = CompletionRequest.model_validate({"model": "fake", "prompt": "Say 72:", "top_p": 0.5})
    async with remote_backend() as (fake, backend):
        conversation = await backend.converse(raw, raw.strategy_prompt)
        completion = await conversation.generate(raw.strategy_prompt, Sampling(max_tokens=50))
        ids = await conversation.generate(Prompt((), raw=(901, 902)), Sampling(max_tokens=50))
        body = await conversation.build_response([completion])
    (path, fields, _), (_, by_ids, _) = fake.requests
    assert path == "/v1/completions" and (fields["prompt"], fields["top_p"]) == ("Say 72:", 0.5)
    assert by_ids["prompt"] == [901, 902] and ids.text == STORY
    assert (body["object"], body["choices"][0]["text"]) == ("text_completion", STORY)


async def test_messages_are_serialised_with_all_fields():
    turns = [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": [{"type": "text", "text": "Look"}]},
        {
            "role": "assistant",
            "content": None,
            "tool_calls": [{"id": "1", "type": "function", "function": {"name": "f", "arguments": "{}"}}],
        },
        {"role": "tool", "content": "4", "tool_call_id": "1"},
        {"role": "user", "content": "And now?"},
    ]
    chat = request(messages=turns)
    async with remote_backend() as (fake, backend):
        await sample(backend, chat)
    assert fake.requests[0][1]["messages"] == turns


async def test_strategy_messages_replace_the_clients():
    chat = request()
    async with remote_backend() as (fake, backend):
        conversation = await backend.converse(chat, chat.prompt)
        await conversation.generate(Prompt((Message("user", "Is it 72?"),)), Sampling(max_tokens=1, auxiliary=True))
    assert fake.requests[0][1]["messages"] == [{"role": "user", "content": "Is it 72?"}]
