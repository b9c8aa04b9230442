"""One sample: what the upstream is asked, and what is made of its answer."""

from cogitate.server.protocol.chat import CompletionRequest
from cogitate.strategies.core.types import Call, Message, Prompt, Sampling
from tests.fakes.upstream import Script
from tests.fakes.upstream.script import STORY
from tests.server.engine.remote.fakes import one, request, sample

TOOL = {"type": "function", "function": {"name": "add", "parameters": {"type": "object"}}}


async def test_every_field_of_the_client_reaches_the_upstream():
    said = {
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
    async with one() as (fake, backend):
        await sample(backend, request(**said, strategy="self_consistency", cache="no-store"), temperature=0.6, seed=5)
    ((path, body, _),) = fake.asked
    assert path == "/v1/chat/completions" and said.items() <= body.items()
    assert (body["temperature"], body["seed"], body["max_tokens"], body["model"]) == (0.6, 5, 100, "fake")
    assert not {"strategy", "cache", "budget", "stream", "n", "logprobs"} & body.keys()


async def test_the_strategys_limit_takes_the_place_of_the_clients_in_the_clients_own_words():
    async with one() as (fake, backend):
        await sample(backend, request(max_completion_tokens=900, max_tokens=800), max_tokens=30)
        await sample(backend, request(max_tokens=800), max_tokens=10**6)
    (_, newer, _), (_, older, _) = fake.asked
    assert newer["max_completion_tokens"] == 30 and "max_tokens" not in newer
    assert older["max_tokens"] == 4096, "more than the upstream's context is an error there"


async def test_an_answer_is_read():
    async with one() as (_, backend):
        made = await sample(backend, continued=True)
        assert (await sample(backend)).token_ids == (), "nobody goes on from it, so nobody asks for them"
    assert (made.text, made.content, made.finish, made.counted) == (STORY, None, "stop", True)
    assert made.completion_tokens == 17 and len(made.token_ids) == 16, "the end of the turn is decoded, not said"
    assert made.prompt_tokens > 0 and made.cached_tokens == made.prompt_tokens // 2


async def test_reasoning_is_part_of_the_text_and_no_content():
    async with one(Script(reasoning="Let me think. ", texts=["72"])) as (_, backend):
        made = await sample(backend)
    assert (made.text, made.content) == ("Let me think. 72", "72")


async def test_tool_calls_are_read():
    async with one(Script(calls=[("add", '{"a": 1}'), ("add", '{"a": 2}')])) as (_, backend):
        made = await sample(backend, request(tools=[TOOL]))
    assert made.calls == (Call("add", '{"a": 1}'), Call("add", '{"a": 2}'))
    assert (made.finish, made.text, made.content) == ("stop", "", "")


async def test_logprobs_are_asked_for_and_read():
    async with one() as (fake, backend):
        bare = await sample(backend, logprobs=0)
        top = await sample(backend, logprobs=3)
        none = await sample(backend)
    bodies = [body for _, body, _ in fake.asked]
    assert [body.get("top_logprobs") for body in bodies] == [None, 3, None]
    assert [body.get("logprobs") for body in bodies] == [True, True, None]
    assert none.logprobs == () and all(token.logprob == -0.5 and token.top == () for token in bare.logprobs)
    assert [token.logprob for token in top.logprobs[0].top] == [-0.5, -1.5, -2.5]
    assert "".join(token.text for token in top.logprobs) == STORY


async def test_a_verdict_is_read_from_the_alternatives_and_asks_none_of_the_clients_fields():
    asked = request(tools=[TOOL], stop=["x"], logit_bias={"7": 2.0}, response_format={"type": "json_object"})
    async with one(Script(texts=["Yes"])) as (fake, backend):
        made = await sample(
            backend, asked, max_tokens=1, labels=("Yes", "other 1", "No"), auxiliary=True, temperature=0.0
        )
    ((_, body, _),) = fake.asked
    assert body.keys() == {"model", "messages", "temperature", "max_tokens", "logprobs", "top_logprobs"}
    assert (body["logprobs"], body["top_logprobs"], body["max_tokens"]) == (True, 20, 1)
    assert made.labels == {"Yes": -0.5, "other 1": -1.5}


async def test_usage_that_is_missing_is_told_as_such():
    async with one(Script(usage=False)) as (_, backend):
        made = await sample(backend)
    assert (made.counted, made.completion_tokens, made.prompt_tokens) == (False, 0, 0) and made.text == STORY


async def test_a_raw_prompt_is_completed_as_it_stands():
    asked = CompletionRequest.model_validate({"model": "fake", "prompt": "Say 72:", "top_p": 0.5})
    async with one() as (fake, backend):
        conversation = await backend.converse(asked, asked.asked)
        made = await conversation.generate(asked.asked, Sampling(max_tokens=50))
        ids = await conversation.generate(Prompt((), raw=(901, 902)), Sampling(max_tokens=50))
        body = await conversation.present([made])
    (path, said, _), (_, by_ids, _) = fake.asked
    assert path == "/v1/completions" and (said["prompt"], said["top_p"]) == ("Say 72:", 0.5)
    assert by_ids["prompt"] == [901, 902] and ids.text == STORY
    assert (body["object"], body["choices"][0]["text"]) == ("text_completion", STORY)


async def test_messages_keep_all_their_parts():
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
    asked = request(messages=turns)
    async with one() as (fake, backend):
        await sample(backend, asked)
    assert fake.asked[0][1]["messages"] == turns


async def test_a_conversation_of_ours_is_sent_in_place_of_the_clients():
    asked = request()
    async with one() as (fake, backend):
        conversation = await backend.converse(asked, asked.prompt)
        await conversation.generate(Prompt((Message("user", "Is it 72?"),)), Sampling(max_tokens=1, auxiliary=True))
    assert fake.asked[0][1]["messages"] == [{"role": "user", "content": "Is it 72?"}]
