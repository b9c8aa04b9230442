"""Response shapes of an upstream, for the rows about upstreams."""

import json
from typing import Any

from tests.fakes.upstream.recorded import Shape
from tests.server.engine.remote.dialects.providers import TEXT

LISTING: Shape = {"data": [{"id": "m", "object": "model"}]}
USAGE: Shape = {"prompt_tokens": 9, "completion_tokens": 7}
DONE = "data: [DONE]\n\n"
CITIES = ("Oslo", "Rome")
CALLS = [
    {"id": f"call_{city}", "function": {"name": "weather", "arguments": json.dumps({"city": city})}} for city in CITIES
]
PARTS = (TEXT[:14], TEXT[14:])


def build_shape(*, finish: Any = "stop", usage: Any = USAGE, early: Any = None, **more: Any) -> Shape:
    """A provider that says TEXT or calls the tools; `early`: the finish reason of the chunks before the last."""

    def chunk(delta: Shape, reason: Any) -> Shape:
        return {"choices": [{"index": 0, "delta": delta, "finish_reason": reason}]}

    def body(message: Shape, reason: Any) -> Shape:
        return {"choices": [{"index": 0, "message": message, "finish_reason": reason}], "usage": usage}

    message = {"role": "assistant", "content": TEXT}
    end = [{"choices": [], "usage": usage}, DONE]
    deltas = [{"tool_calls": [{"index": at, **call}]} for at, call in enumerate(CALLS)]
    return {
        "models": LISTING,
        "plain": body(message, finish),
        "stream": [chunk({"content": PARTS[0]}, early), chunk({"content": PARTS[1]}, early), chunk({}, finish), *end],
        "tools": body({"role": "assistant", "content": None, "tool_calls": CALLS}, "tool_calls"),
        "tools_stream": [*(chunk(delta, early) for delta in deltas), chunk({}, "tool_calls"), *end],
    } | more


def stream_calls(*calls: Shape) -> list[Shape | str]:
    chunks: list[Shape | str] = [
        {"choices": [{"index": 0, "delta": {"tool_calls": [call]}, "finish_reason": None}]} for call in calls
    ]
    return [*chunks, {"choices": [{"index": 0, "delta": {}, "finish_reason": "tool_calls"}], "usage": USAGE}, DONE]


def end_with(*end: str) -> list[Shape | str]:
    chunks: list[Shape | str] = [{"choices": [{"index": 0, "delta": {"content": TEXT}, "finish_reason": None}]}]
    return [*chunks, {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}], "usage": USAGE}, *end]


def refuse(field: str, status: int, error: object, **more: object) -> Shape:
    return {"field": field, "status": status, "error": error, **more}


THOUGHTS = [{"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]}, {"type": "text", "text": TEXT}]
EVENT = {"choices": [{"index": 0, "delta": {"content": TEXT}, "finish_reason": "stop"}]}
IN_LINES = "".join(f"data: {line}\n" for line in json.dumps(EVENT, indent=1).splitlines()) + "\n"
FOUNDRY = {"detail": [{"loc": ["body", "stream_options", "include_usage"], "msg": "extra fields not permitted"}]}
RENAMED = {
    "message": "Unsupported parameter: 'max_tokens'. Use 'max_completion_tokens' instead.",
    "param": "max_tokens",
}
FIXED = {"message": "Unsupported value: 'temperature' does not support 0.7.", "param": "temperature"}
ONLY_REASONING = {"role": "assistant", "content": None, "reasoning_content": f"so {TEXT}"}


def set_message(message: Shape, **more: Any) -> Shape:
    """A provider that says this, in one piece also where it streams."""
    choices = [{"index": 0, name: message, "finish_reason": "stop"} for name in ("message", "delta")]
    return build_shape(**more) | {
        "plain": {"choices": choices[:1], "usage": USAGE},
        "stream": [{"choices": choices[1:], "usage": USAGE}, DONE],
    }


ALTERNATIVES = [{"token": "42", "logprob": -0.1}, {"token": "43", "logprob": None}]
CHOICE = {
    "index": 0,
    "finish_reason": "stop",
    "logprobs": {"content": [{"token": "42", "logprob": -0.1, "top_logprobs": ALTERNATIVES}]},
}
WITH_NULL_LOGPROB = build_shape(
    plain={"choices": [CHOICE | {"message": {"content": r"\boxed{42}"}}], "usage": USAGE},
    stream=[{"choices": [CHOICE | {"delta": {"content": r"\boxed{42}"}}], "usage": USAGE}, DONE],
)
VERDICTS = [{"token": "Yes", "logprob": -0.1}, {"token": "No", "logprob": -2.4}]
VERDICT = {
    "index": 0,
    "finish_reason": "length",
    "logprobs": {"content": [{"token": "Yes", "logprob": -0.1, "top_logprobs": VERDICTS}]},
}
WITH_VERDICTS = {
    "plain": {
        "choices": [VERDICT | {"message": {"content": "Yes"}}],
        "usage": {"prompt_tokens": 9, "completion_tokens": 2},
    },
    "stream": [{"choices": [VERDICT | {"delta": {"content": "Yes"}}], "usage": USAGE}, DONE],
}
"""Says Yes, and counts a token too many."""
OBJECTS = [{"id": f"call_{city}", "function": {"name": "weather", "arguments": {"city": city}}} for city in CITIES]
WITH_OBJECTS = {
    "choices": [{"index": 0, "message": {"content": None, "tool_calls": OBJECTS}, "finish_reason": "tool_calls"}],
    "usage": USAGE,
}
