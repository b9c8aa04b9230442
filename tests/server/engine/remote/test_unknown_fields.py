"""Fields of messages that are not known here: relayed by a plain request, never sent by a strategy."""

from cogitate.server.protocol.chat import ChatRequest
from tests.server.engine.remote.fakes import remote_backend, sample

MESSAGE = {"role": "user", "content": [{"type": "text", "text": "hi", "cache_control": {"type": "ephemeral"}}], "id": 3}
TOOL = {"type": "function", "function": {"name": "f", "strict": False}, "cache_control": {"type": "ephemeral"}}
BODY = {"model": "fake", "messages": [MESSAGE], "tools": [TOOL], "max_tokens": 50}


async def test_plain_request_relays_them_as_they_came():
    async with remote_backend() as (fake, backend):
        await backend.answer(ChatRequest.model_validate(BODY))
    sent = fake.requests[-1][1]
    assert sent["messages"] == [MESSAGE] and sent["tools"] == [TOOL]


async def test_strategy_sends_known_fields_only():
    async with remote_backend() as (fake, backend):
        await sample(backend, ChatRequest.model_validate(BODY | {"strategy": "self_consistency"}))
    sent = fake.requests[-1][1]
    assert "cache_control" not in str(sent) and "id" not in sent["messages"][0]
    assert sent["tools"] == [{"type": "function", "function": {"name": "f", "strict": False}}]
