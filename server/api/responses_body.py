"""A finished chat.completion -> the `response` object that says the same."""

from collections.abc import Iterator
from typing import Any

from cogitate.server.engine import Body
from cogitate.server.planning.plan import Plan
from cogitate.server.protocol.responses import ResponsesRequest

UNFINISHED = {"length": "max_output_tokens", "content_filter": "content_filter"}
"""Why an answer is incomplete, by its finish_reason."""


def named(prefix: str, plan: Plan, at: int = 0) -> str:
    """The id of a plan's response, or of one of its items: the same whenever it is asked for."""
    return f"{prefix}_{plan.id.removeprefix('chatcmpl-')}{at or ''}"


def begun(wire: ResponsesRequest, plan: Plan) -> Body:
    """The response before there is an answer: what was asked, as OpenAI's client expects to read it."""
    said = wire.model_dump(mode="json", by_alias=True, exclude_none=True, include=ECHOED)
    return {
        "id": named("resp", plan),
        "object": "response",
        "created_at": plan.created,
        "status": "in_progress",
        "error": None,
        "incomplete_details": None,
        "model": plan.model,
        "output": [],
        "usage": None,
        "background": False,
        "previous_response_id": None,
        "store": False,
        **{name: None for name in ECHOED},
        **DEFAULTS,
        "temperature": plan.sampling.temperature,
        **said,
    }


def responded(wire: ResponsesRequest, plan: Plan, body: Body) -> Body:
    """The whole response. `body` is the chat.completion, with one choice."""
    (choice,) = body["choices"]
    reason = UNFINISHED.get(choice["finish_reason"])
    status = "incomplete" if reason else "completed"
    return begun(wire, plan) | {
        "status": status,
        "incomplete_details": {"reason": reason} if reason else None,
        "output": list(_items(plan, choice, status)),
        "usage": _usage(body["usage"]),
        **({"cogitate": body["cogitate"]} if "cogitate" in body else {}),
    }


def retold(wire: ResponsesRequest, plan: Plan, body: Body) -> Body:
    """The engine's own response as the answer to this request: it may have been given before."""
    own = {"id": named("resp", plan), "created_at": plan.created, "model": plan.model, "store": False}
    return body | own | {"metadata": wire.metadata, "user": wire.user}


def _items(plan: Plan, choice: Body, status: str) -> Iterator[Body]:
    message = choice["message"]
    if reasoning := message.get("reasoning_content") or message.get("reasoning"):
        yield reasoned(plan, reasoning, status)
    calls = message.get("tool_calls") or []
    parts = list(_parts(message, choice.get("logprobs")))
    if parts or not (calls or reasoning):
        yield spoken(plan, parts or [text_part("")], status)
    for at, call in enumerate(calls):
        yield {
            "id": named("fc", plan, at),
            "type": "function_call",
            "call_id": call["id"],
            "name": call["function"]["name"],
            "arguments": call["function"]["arguments"],
            "status": status,
        }


def reasoned(plan: Plan, text: str, status: str) -> Body:
    content = [{"type": "reasoning_text", "text": text}]
    return {"id": named("rs", plan), "type": "reasoning", "summary": [], "content": content, "status": status}


def spoken(plan: Plan, parts: list[Body], status: str) -> Body:
    return {"id": named("msg", plan), "type": "message", "role": "assistant", "content": parts, "status": status}


def text_part(text: str, logprobs: list[Body] | None = None) -> Body:
    return {"type": "output_text", "text": text, "annotations": [], "logprobs": logprobs or []}


def _parts(message: Body, logprobs: Body | None) -> Iterator[Body]:
    if content := message.get("content"):
        yield text_part(content, [_token(token) for token in (logprobs or {}).get("content") or []])
    if refusal := message.get("refusal"):
        yield {"type": "refusal", "refusal": refusal}


def _token(told: Body) -> Body:
    alternatives = [_one(alternative) for alternative in told.get("top_logprobs") or []]
    return {**_one(told), "top_logprobs": alternatives}


def _one(told: Body) -> Body:
    spelled = told.get("bytes")
    spelled = list(told["token"].encode()) if spelled is None else spelled
    return {"token": told["token"], "logprob": told["logprob"], "bytes": spelled}


def _usage(spent: Body) -> Body:
    read, made = spent.get("prompt_tokens_details") or {}, spent.get("completion_tokens_details") or {}
    return {
        "input_tokens": spent["prompt_tokens"],
        "input_tokens_details": {"cached_tokens": read.get("cached_tokens") or 0, "cache_write_tokens": 0},
        "output_tokens": spent["completion_tokens"],
        "output_tokens_details": {"reasoning_tokens": made.get("reasoning_tokens") or 0},
        "total_tokens": spent["total_tokens"],
    }


DEFAULTS: dict[str, Any] = {
    "parallel_tool_calls": True,
    "tool_choice": "auto",
    "tools": [],
    "text": {"format": {"type": "text"}},
    "truncation": "disabled",
    "service_tier": "default",
    "top_p": 1.0,
}
ECHOED = {"instructions", "max_output_tokens", "max_tool_calls", "metadata", "parallel_tool_calls", "reasoning"}
ECHOED |= {"prompt_cache_key", "safety_identifier", "temperature", "text", "tool_choice", "tools", "top_logprobs"}
ECHOED |= {"top_p", "truncation", "user"}
