"""Completions as OpenAI would write them: from what the upstream itself wrote, of which only known keys go on."""

import secrets
import time
from collections.abc import Mapping, Sequence
from typing import Any

from cogitate.server.engine import Body
from cogitate.server.engine.remote.validate import is_logprob, mapping, sequence
from cogitate.server.protocol.chat import AnyRequest, ChatRequest
from cogitate.strategies.core.types import Completion

TEXTS = ("content", "refusal", "reasoning", "reasoning_content")


def presented(request: AnyRequest, completions: Sequence[Completion]) -> Body:
    chat = isinstance(request, ChatRequest)
    write = _chat_choice if chat else _text_choice
    prompt, made = completions[0].prompt_tokens, sum(completion.completion_tokens for completion in completions)
    return {
        "id": f"{'chatcmpl' if chat else 'cmpl'}-{secrets.token_hex(16)}",
        "object": "chat.completion" if chat else "text_completion",
        "created": int(time.time()),
        "model": request.model,
        "choices": [
            {"index": at, **write(request, mapping(completion.native), completion)}
            for at, completion in enumerate(completions)
        ],
        "usage": {"prompt_tokens": prompt, "completion_tokens": made, "total_tokens": prompt + made},
    }


def _chat_choice(request: AnyRequest, choice: Mapping[str, Any], completion: Completion) -> Body:
    message = mapping(choice.get("message"))
    return {
        "message": _message(message) if message else {"role": "assistant", "content": completion.text, "refusal": None},
        "logprobs": _chat_logprobs(request, choice, completion),
        "finish_reason": _finish(choice, completion),
    }


def _text_choice(request: AnyRequest, choice: Mapping[str, Any], completion: Completion) -> Body:
    return {
        "text": completion.text,
        "logprobs": _text_logprobs(request, completion),
        "finish_reason": _finish({}, completion),
    }


def _finish(choice: Mapping[str, Any], completion: Completion) -> str:
    said = choice.get("finish_reason")
    if isinstance(said, str) and not completion.cut:
        return said
    return "length" if completion.cut else completion.finish


def _message(said: Mapping[str, Any]) -> Body:
    message: Body = {"role": "assistant", "content": None, "refusal": None}
    message |= {name: said[name] for name in TEXTS if isinstance(said.get(name), str)}
    if calls := sequence(said.get("tool_calls")):
        message["tool_calls"] = [_call(mapping(call)) for call in calls]
    return message


def _call(said: Mapping[str, Any]) -> Body:
    """Its kind was checked as it was read; an id of ours where the upstream gave none."""
    function, name = mapping(said.get("function")), said.get("id")
    return {
        "id": name if isinstance(name, str) and name else f"call_{secrets.token_hex(12)}",
        "type": "function",
        "function": {"name": function.get("name"), "arguments": function.get("arguments") or ""},
    }


def _chat_logprobs(request: AnyRequest, choice: Mapping[str, Any], completion: Completion) -> Body | None:
    """As the upstream wrote them, with no more alternatives than the client asked for."""
    top = request.alternatives
    if top is None:
        return None
    said = sequence(mapping(choice.get("logprobs")).get("content"))
    if said:
        return {"content": [_entry(entry) | {"top_logprobs": _tops(entry, top)} for entry in map(mapping, said)]}
    return {
        "content": [
            _token(token.text, token.logprob)
            | {"top_logprobs": [_token(other.text, other.logprob) for other in token.top[:top]]}
            for token in completion.logprobs
        ]
    }


def _tops(entry: Mapping[str, Any], top: int) -> list[Body]:
    others = [_entry(mapping(other)) for other in sequence(entry.get("top_logprobs"))]
    return sorted(others, key=lambda other: -other["logprob"])[:top]


def _entry(said: Mapping[str, Any]) -> Body:
    token, logprob = said.get("token"), said.get("logprob")
    return _token(token if isinstance(token, str) else "", logprob if is_logprob(logprob) else -9999.0)


def _token(text: str, logprob: float) -> Body:
    return {"token": text, "logprob": logprob, "bytes": list(text.encode(errors="replace"))}


def _text_logprobs(request: AnyRequest, completion: Completion) -> Body | None:
    top = request.alternatives
    if top is None:
        return None
    offsets, at = [], 0
    for token in completion.logprobs:
        offsets.append(at)
        at += len(token.text)
    return {
        "tokens": [token.text for token in completion.logprobs],
        "token_logprobs": [token.logprob for token in completion.logprobs],
        "top_logprobs": [{other.text: other.logprob for other in token.top[:top]} for token in completion.logprobs],
        "text_offset": offsets,
    }
