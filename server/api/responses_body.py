"""Builds the `response` object from a finished chat.completion."""

from collections.abc import Iterator

from cogitate.server.api.responses_fields import build_id, build_initial_response, complete_response
from cogitate.server.engine import Body
from cogitate.server.planning.plan import Plan
from cogitate.server.protocol.responses import ResponsesRequest
from cogitate.server.serving.chat_response import relabel

INCOMPLETE_REASONS = {"length": "max_output_tokens", "content_filter": "content_filter"}
"""finish_reason -> reason of an incomplete response."""


def render_response(request: ResponsesRequest, plan: Plan, body: Body, *, cached: bool) -> Body:
    """Render the result of a job as a response.

    The result of a strategy is a chat.completion; that of a plain request is a response already.
    """
    if plan.strategy is None:
        return complete_response(request, plan, body)
    return build_response(request, plan, relabel(plan, body, cached=cached))


def build_response(request: ResponsesRequest, plan: Plan, body: Body) -> Body:
    """Build the complete response. `body`: the chat.completion, with one choice."""
    (choice,) = body["choices"]
    reason = INCOMPLETE_REASONS.get(choice["finish_reason"])
    status = "incomplete" if reason else "completed"
    return build_initial_response(request, plan) | {
        "status": status,
        "incomplete_details": {"reason": reason} if reason else None,
        "output": list(_build_items(plan, choice, status)),
        "usage": _build_usage(body["usage"]),
        **({"cogitate": body["cogitate"]} if "cogitate" in body else {}),
    }


def _build_items(plan: Plan, choice: Body, status: str) -> Iterator[Body]:
    message = choice["message"]
    if reasoning := message.get("reasoning_content") or message.get("reasoning"):
        yield build_reasoning(plan, reasoning, status)
    calls = message.get("tool_calls") or []
    parts = list(_build_parts(message, choice.get("logprobs")))
    if parts or not (calls or reasoning):
        yield build_message(plan, parts or [build_text_part("")], status)
    for at, call in enumerate(calls):
        yield {
            "id": build_id("fc", plan, at),
            "type": "function_call",
            "call_id": call["id"],
            "name": call["function"]["name"],
            "arguments": call["function"]["arguments"],
            "status": status,
        }


def build_reasoning(plan: Plan, text: str, status: str) -> Body:
    content = [{"type": "reasoning_text", "text": text}]
    return {"id": build_id("rs", plan), "type": "reasoning", "summary": [], "content": content, "status": status}


def build_message(plan: Plan, parts: list[Body], status: str) -> Body:
    return {"id": build_id("msg", plan), "type": "message", "role": "assistant", "content": parts, "status": status}


def build_text_part(text: str, logprobs: list[Body] | None = None) -> Body:
    return {"type": "output_text", "text": text, "annotations": [], "logprobs": logprobs or []}


def _build_parts(message: Body, logprobs: Body | None) -> Iterator[Body]:
    if content := message.get("content"):
        yield build_text_part(content, [_build_token(token) for token in (logprobs or {}).get("content") or []])
    if refusal := message.get("refusal"):
        yield {"type": "refusal", "refusal": refusal}


def _build_token(token: Body) -> Body:
    alternatives = [_build_logprob(alternative) for alternative in token.get("top_logprobs") or []]
    return {**_build_logprob(token), "top_logprobs": alternatives}


def _build_logprob(token: Body) -> Body:
    spelling = token.get("bytes")
    spelling = list(token["token"].encode()) if spelling is None else spelling
    return {"token": token["token"], "logprob": token["logprob"], "bytes": spelling}


def _build_usage(usage: Body) -> Body:
    prompt, completion = usage.get("prompt_tokens_details") or {}, usage.get("completion_tokens_details") or {}
    return {
        "input_tokens": usage["prompt_tokens"],
        "input_tokens_details": {"cached_tokens": prompt.get("cached_tokens") or 0, "cache_write_tokens": 0},
        "output_tokens": usage["completion_tokens"],
        "output_tokens_details": {"reasoning_tokens": completion.get("reasoning_tokens") or 0},
        "total_tokens": usage["total_tokens"],
    }
