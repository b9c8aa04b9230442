"""Response bodies and stream events of an engine with its own Responses API."""

import json
from collections.abc import AsyncIterator

from cogitate.server.engine import Body
from cogitate.strategies.core.types import Completion

RESPONSE = {
    "id": "resp_scripted",
    "object": "response",
    "created_at": 1_700_000_000,
    "parallel_tool_calls": True,
    "tool_choice": "auto",
    "tools": [],
}


def response(model: str, completion: Completion) -> Body:
    read, made = completion.prompt_tokens, completion.completion_tokens
    part = {"type": "output_text", "text": completion.text, "annotations": []}
    message = {"id": "msg_scripted", "type": "message", "role": "assistant", "status": "completed", "content": [part]}
    return RESPONSE | {
        "model": model,
        "status": "incomplete" if completion.finish == "length" else "completed",
        "output": [message],
        "usage": {
            "input_tokens": read,
            "input_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 0},
            "output_tokens": made,
            "output_tokens_details": {"reasoning_tokens": 0},
            "total_tokens": read + made,
        },
    }


async def response_lines(body: Body) -> AsyncIterator[str]:
    (message,) = body["output"]
    (part,) = message["content"]
    at = {"item_id": message["id"], "output_index": 0, "content_index": 0}
    events = [
        ("created", {"response": body | {"status": "in_progress", "output": []}}),
        ("output_item.added", {"output_index": 0, "item": message | {"content": []}}),
        ("content_part.added", at | {"part": part | {"text": ""}}),
        ("output_text.delta", at | {"delta": part["text"], "logprobs": []}),
        ("output_text.done", at | {"text": part["text"], "logprobs": []}),
        ("content_part.done", at | {"part": part}),
        ("output_item.done", {"output_index": 0, "item": message}),
        ("completed", {"response": body}),
    ]
    for number, (kind, fields) in enumerate(events):
        event = {"type": f"response.{kind}", "sequence_number": number} | fields
        yield f"event: response.{kind}\ndata: {json.dumps(event)}\n\n"
