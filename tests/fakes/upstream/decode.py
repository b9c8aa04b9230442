"""One scripted decode, with words as tokens, as an OpenAI choice or as the choices of chunks."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

Body = dict[str, Any]
END_OF_TURN = 0
WORDS = re.compile(r"\n\n|\s*\S+|\s+")


@dataclass(slots=True)
class Vocabulary:
    """Assigns token ids to words in order of their first use."""

    ids: dict[str, int] = field(default_factory=lambda: {"": END_OF_TURN})
    words: list[str] = field(default_factory=lambda: [""])

    def encode(self, text: str) -> list[int]:
        return [self._id(word) for word in WORDS.findall(text)]

    def _id(self, word: str) -> int:
        if word not in self.ids:
            self.ids[word] = len(self.words)
            self.words.append(word)
        return self.ids[word]


@dataclass(frozen=True, slots=True)
class Decode:
    """The content of one choice. `chat`: as a message; else as raw text."""

    text: str
    ids: tuple[int, ...]
    finish: str
    stopped_by: str | int | None
    prompt_tokens: int
    chat: bool
    reasoning: str | None = None
    calls: Sequence[tuple[str, str]] = ()

    @property
    def tokens(self) -> int:
        return len(self.ids)

    def usage(self, tokens: int | None = None) -> Body:
        """The usage after `tokens` completion tokens; None: after all. Half of the prompt is reported as cached."""
        made = self.tokens if tokens is None else tokens
        return {
            "prompt_tokens": self.prompt_tokens,
            "completion_tokens": made,
            "total_tokens": self.prompt_tokens + made,
            "prompt_tokens_details": {"cached_tokens": self.prompt_tokens // 2},
        }

    def choice(self, request: Mapping[str, Any], words: Sequence[str], index: int) -> Body:
        content: Body = {"text": self.text}
        if self.chat:
            content = {"message": {"role": "assistant", "content": self.text}}
            if self.reasoning is not None:
                content["message"]["reasoning_content"] = self.reasoning
            if self.calls:
                content["message"] |= {"content": None, "tool_calls": [*self._calls()]}
        return {
            "index": index,
            **content,
            "logprobs": self._logprobs(request, [words[i] for i in self.ids]),
            "finish_reason": "tool_calls" if self.calls else self.finish,
            "stop_reason": self.stopped_by,
            **({"token_ids": list(self.ids)} if request.get("return_token_ids") else {}),
        }

    def deltas(self, words: Sequence[str], request: Mapping[str, Any]) -> Iterator[Body]:
        """The choice of each chunk: one chunk for each token, the last with finish_reason."""
        left = 0 if self.calls else len(self.text)
        for at, token in enumerate(self.ids):
            word = words[token][:left]
            left -= len(word)
            content: Body = {"delta": {"content": word}} if self.chat else {"text": word}
            if self.calls and at == 0:
                content = {"delta": {"tool_calls": [{"index": i, **call} for i, call in enumerate(self._calls())]}}
            finish = ("tool_calls" if self.calls else self.finish) if at == len(self.ids) - 1 else None
            last = {"stop_reason": self.stopped_by} if finish else {}
            ids = {"token_ids": [token]} if request.get("return_token_ids") else {}
            logprobs = self._logprobs(request, [words[token]])
            yield {"index": 0, **content, "logprobs": logprobs, "finish_reason": finish, **last, **ids}

    def _calls(self) -> Iterator[Body]:
        for at, (name, arguments) in enumerate(self.calls):
            yield {"id": f"call-{at}", "type": "function", "function": {"name": name, "arguments": arguments}}

    def _logprobs(self, request: Mapping[str, Any], words: Sequence[str]) -> Body | None:
        if not self.chat:
            top = request.get("logprobs")
            if top is None:
                return None
            return {
                "tokens": list(words),
                "token_logprobs": [-0.5] * len(words),
                "top_logprobs": [{word: -0.5} | {f"other {k}": -1.0 - k for k in range(top - 1)} for word in words],
            }
        if not request.get("logprobs"):
            return None
        other_tokens = [f"other {k}" for k in range(1, request.get("top_logprobs") or 0)]
        return {
            "content": [
                {
                    "token": word,
                    "logprob": -0.5,
                    "bytes": None,
                    "top_logprobs": alternatives(word, other_tokens, request),
                }
                for word in words
            ]
        }


def alternatives(word: str, other_tokens: Sequence[str], request: Mapping[str, Any]) -> list[Body]:
    """The `top_logprobs` of a word; empty where the request does not ask for them."""
    if not request.get("top_logprobs"):
        return []
    return [{"token": token, "logprob": -0.5 - at, "bytes": None} for at, token in enumerate([word, *other_tokens])]


def cut(
    ids: Sequence[int], words: Sequence[str], request: Mapping[str, Any]
) -> tuple[list[int], str, str, str | int | None]:
    """Decode `ids` up to a limit or stop: returns tokens, text, finish reason, and the stop string or token."""
    limit = request.get("max_completion_tokens") or request.get("max_tokens") or 2**31
    stops = request.get("stop") or []
    stops = [stops] if isinstance(stops, str) else stops
    made: list[int] = []
    text = ""
    for token in [*ids, END_OF_TURN]:
        if len(made) >= limit:
            return made, text, "length", None
        made.append(token)
        if token in (request.get("stop_token_ids") or ()):
            return made, text, "stop", token
        text += words[token]
        for stop in stops:
            if stop in text:
                length = text.index(stop) + (len(stop) if request.get("include_stop_str_in_output") else 0)
                return made, text[:length], "stop", stop
    return made, text, "stop", None
