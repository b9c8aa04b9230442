"""Builds an OpenAI response from Completions. Of the upstream's own choices only known fields are copied."""

import secrets
from collections.abc import Mapping, Sequence
from typing import Any

from cogitate.server.engine import Body
from cogitate.server.engine.remote.dialects.finish_reason import to_openai_name
from cogitate.server.engine.remote.stream_parser import TEXT_FIELDS
from cogitate.server.engine.remote.validate import as_dict, as_list, is_logprob
from cogitate.server.protocol.chat import ChatRequest
from cogitate.server.protocol.completion import AnyRequest
from cogitate.server.protocol.json import unix_time
from cogitate.strategies.core.types import Completion

UNKNOWN_LOGPROB = -9999.0
"""In place of a log-probability that is no number, as vLLM reports minus infinity."""


def build_response(request: AnyRequest, completions: Sequence[Completion]) -> Body:
    """Build the chat.completion, or text_completion, with these completions as its choices."""
    is_chat = isinstance(request, ChatRequest)
    build_choice = _build_chat_choice if is_chat else _build_text_choice
    prompt, tokens = completions[0].prompt_tokens, sum(completion.completion_tokens for completion in completions)
    return {
        "id": f"{'chatcmpl' if is_chat else 'cmpl'}-{secrets.token_hex(16)}",
        "object": "chat.completion" if is_chat else "text_completion",
        "created": unix_time(),
        "model": request.model,
        "choices": [
            {"index": index, **build_choice(request, as_dict(completion.native), completion)}
            for index, completion in enumerate(completions)
        ],
        "usage": {"prompt_tokens": prompt, "completion_tokens": tokens, "total_tokens": prompt + tokens},
    }


def _build_chat_choice(request: AnyRequest, choice: Mapping[str, Any], completion: Completion) -> Body:
    message = as_dict(choice.get("message"))
    plain = {"role": "assistant", "content": completion.text, "refusal": None}
    stopped_by = completion.stopped_by
    return {
        **({"stop_reason": stopped_by} if stopped_by in request.stop_strings else {}),
        "message": _copy_message(message) if message else plain,
        "logprobs": _build_chat_logprobs(request, choice, completion),
        "finish_reason": _finish_reason(choice, completion),
    }


def _build_text_choice(request: AnyRequest, choice: Mapping[str, Any], completion: Completion) -> Body:
    return {
        "text": completion.text,
        "logprobs": _build_text_logprobs(request, completion),
        "finish_reason": _finish_reason({}, completion),
    }


def _finish_reason(choice: Mapping[str, Any], completion: Completion) -> str:
    if completion.ends_early:
        return "length"
    reason = to_openai_name(choice.get("finish_reason"))
    return completion.finish if reason is None else reason


def _copy_message(source: Mapping[str, Any]) -> Body:
    message: Body = {"role": "assistant", "content": None, "refusal": None}
    message |= {name: source[name] for name in TEXT_FIELDS if isinstance(source.get(name), str)}
    if calls := as_list(source.get("tool_calls")):
        message["tool_calls"] = [_copy_tool_call(as_dict(call)) for call in calls]
    return message


def _copy_tool_call(call: Mapping[str, Any]) -> Body:
    """Its types were validated when it was parsed; it gets an id where the upstream sent none."""
    function, id = as_dict(call.get("function")), call.get("id")
    return {
        "id": id if isinstance(id, str) and id else f"call_{secrets.token_hex(12)}",
        "type": "function",
        "function": {"name": function.get("name"), "arguments": function.get("arguments") or ""},
    }


def _build_chat_logprobs(request: AnyRequest, choice: Mapping[str, Any], completion: Completion) -> Body | None:
    """The upstream's log-probabilities, with as many alternatives as the client requested."""
    top = request.alternatives
    if top is None:
        return None
    entries = as_list(as_dict(choice.get("logprobs")).get("content"))
    if entries:
        return {
            "content": [
                _copy_token(entry) | {"top_logprobs": _copy_tops(entry, top)} for entry in map(as_dict, entries)
            ]
        }
    return {
        "content": [
            _build_token(token.text, token.logprob)
            | {"top_logprobs": [_build_token(other.text, other.logprob) for other in token.top[:top]]}
            for token in completion.logprobs
        ]
    }


def _copy_tops(entry: Mapping[str, Any], top: int) -> list[Body]:
    """The likeliest alternatives; those without a log-probability are left out."""
    present = (each for each in map(as_dict, as_list(entry.get("top_logprobs"))) if is_logprob(each.get("logprob")))
    alternatives = [_copy_token(alternative) for alternative in present]
    return sorted(alternatives, key=lambda alternative: -alternative["logprob"])[:top]


def _copy_token(entry: Mapping[str, Any]) -> Body:
    token, logprob = entry.get("token"), entry.get("logprob")
    return _build_token(token if isinstance(token, str) else "", logprob if is_logprob(logprob) else UNKNOWN_LOGPROB)


def _build_token(text: str, logprob: float) -> Body:
    return {"token": text, "logprob": logprob, "bytes": list(text.encode(errors="replace"))}


def _build_text_logprobs(request: AnyRequest, completion: Completion) -> Body | None:
    top = request.alternatives
    if top is None:
        return None
    offsets, offset = [], 0
    for token in completion.logprobs:
        offsets.append(offset)
        offset += len(token.text)
    return {
        "tokens": [token.text for token in completion.logprobs],
        "token_logprobs": [token.logprob for token in completion.logprobs],
        "top_logprobs": [{other.text: other.logprob for other in token.top[:top]} for token in completion.logprobs],
        "text_offset": offsets,
    }
