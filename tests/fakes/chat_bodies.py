"""Response bodies of the scripted backend: OpenAI's chat and text completions."""

import json
from collections.abc import AsyncIterator

from cogitate.server.engine import Body
from cogitate.strategies.core.types import Completion


def build_text_completion(model: str, completion: Completion) -> Body:
    """Build a response of /v1/completions."""
    body = build_chat_completion(model, completion)
    (choice,) = body["choices"]
    text = choice.pop("message")["content"]
    return body | {"id": "cmpl-scripted", "object": "text_completion", "choices": [choice | {"text": text}]}


def build_chat_completion(model: str, completion: Completion) -> Body:
    """Build a response of /v1/chat/completions, with the completion's tool calls."""
    tokens = completion.completion_tokens
    message: Body = {"role": "assistant", "content": completion.text}
    if completion.tool_calls:
        calls = [
            {"id": f"call-{at}", "type": "function", "function": {"name": call.name, "arguments": call.arguments}}
            for at, call in enumerate(completion.tool_calls)
        ]
        message = {"role": "assistant", "content": None, "tool_calls": calls}
    finish = "length" if completion.ends_early else completion.finish
    return {
        "id": "chatcmpl-scripted",
        "object": "chat.completion",
        "created": 1_700_000_000,
        "model": model,
        "choices": [
            {
                "index": 0,
                "message": message,
                "logprobs": _logprobs(completion),
                "finish_reason": "tool_calls" if completion.tool_calls else finish,
            }
        ],
        "usage": {
            "prompt_tokens": completion.prompt_tokens,
            "completion_tokens": tokens,
            "total_tokens": completion.prompt_tokens + tokens,
        },
    }


def _logprobs(completion: Completion) -> Body | None:
    if not completion.logprobs:
        return None
    return {"content": [{"token": t.text, "logprob": t.logprob, "top_logprobs": []} for t in completion.logprobs]}


async def stream_chat_lines(body: Body, *, usage: bool = False) -> AsyncIterator[str]:
    """Yield a chat completion as server-sent events: its message in one chunk, its finish reason, and its usage."""
    head = {key: body[key] for key in ("id", "created", "model")} | {"object": "chat.completion.chunk"}
    (choice,) = body["choices"]
    message = dict(choice["message"])
    if calls := message.get("tool_calls"):
        message["tool_calls"] = [{"index": at, **call} for at, call in enumerate(calls)]
    for delta, finish in ((message, None), ({}, choice["finish_reason"])):
        chunk = head | {"choices": [{"index": 0, "delta": delta, "finish_reason": finish}]}
        yield f"data: {json.dumps(chunk)}\n\n"
    if usage:
        yield f"data: {json.dumps(head | {'choices': [], 'usage': body['usage']})}\n\n"
    yield "data: [DONE]\n\n"
