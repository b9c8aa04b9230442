"""What is said to an upstream: every field of the client's, and what the strategy decides of a decode."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson

from cogitate.server.engine import Body
from cogitate.server.protocol.chat import AnyRequest, ChatRequest
from cogitate.strategies.core.types import Message, Prompt, Sampling

VERDICT_ALTERNATIVES = 20
"""As many as OpenAI's API reports: a label that is not among them is not likely."""
SET_ANEW = frozenset(
    {
        "model",
        "messages",
        "prompt",
        "stream",
        "stream_options",
        "n",
        "seed",
        "logprobs",
        "top_logprobs",
        "max_tokens",
        "max_completion_tokens",
    }
)
"""What each decode of a request says for itself."""
CHATS_ONLY = frozenset(
    {
        "tools",
        "tool_choice",
        "parallel_tool_calls",
        "reasoning_effort",
        "include_reasoning",
        "chat_template_kwargs",
        "add_generation_prompt",
        "continue_final_message",
        "metadata",
    }
)
TEMPLATE = ("tools", "chat_template_kwargs")
"""What shapes the rendered chat, beside its messages."""


@dataclass(frozen=True, slots=True)
class Dialect:
    """What this upstream understands beyond OpenAI's API."""

    model: str
    vllm: bool = False
    """It reports usage as it goes, and keeps apart what it remembers of prompts."""
    continues: bool = False
    """It tells the tokens that it decoded, and goes on from tokens."""
    joins: bool = False
    """It gives several answers to one call, and tells the tokens of each."""
    longest: int | None = None
    """The most tokens that it lets a request ask for."""

    def named(self, salt: str) -> Body:
        """What every call says: the model, and to whom its prompts may be known."""
        return {"model": self.model, "cache_salt": salt} if self.vllm and salt else {"model": self.model}


@dataclass(slots=True)
class Asking:
    """Bodies for the calls of one request. Messages are written out once, however many samples are drawn."""

    request: AnyRequest
    dialect: Dialect
    salt: str = ""
    _common: Body = field(init=False)
    _written: dict[int, tuple[object, orjson.Fragment]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._common = {name: value for name, value in self.request.forwarded().items() if name not in SET_ANEW}
        self._common |= self.dialect.named(self.salt)

    def chat(self, prompt: Prompt, sampling: Sampling, *, stream: bool, n: int = 1) -> bytes:
        newer = self.request.said("max_completion_tokens") is not None
        limit = self._limit(sampling, "max_completion_tokens" if newer else "max_tokens")
        body = {**self._fields(sampling), "messages": self._messages(prompt.messages), **limit}
        if sampling.labels:
            body |= {"logprobs": True, "top_logprobs": VERDICT_ALTERNATIVES}
        elif sampling.logprobs is not None:
            body["logprobs"] = True
            if sampling.logprobs:
                body["top_logprobs"] = sampling.logprobs
        return self._said(body, sampling, stream=stream, n=n)

    def completion(
        self, prompt: str | list[int], sampling: Sampling, *, stream: bool, n: int = 1, tag: int | None = None
    ) -> bytes:
        """A raw prompt, or the tokens to go on from. A stop string of ours stays at the end of the text."""
        fields = {name: value for name, value in self._fields(sampling).items() if name not in CHATS_ONLY}
        body: Body = {**fields, "prompt": prompt, **self._limit(sampling, "max_tokens")}
        if sampling.labels:
            body["logprobs"] = VERDICT_ALTERNATIVES
        elif sampling.logprobs is not None:
            body["logprobs"] = sampling.logprobs
        if sampling.stop:
            body["stop"] = [*listed(body.get("stop")), *sampling.stop]
            body["include_stop_str_in_output"] = True
        if tag is not None:
            body["stop_token_ids"] = [tag]
        return self._said(body, sampling, stream=stream, n=n)

    def tokenized(self, prompt: Prompt) -> bytes:
        """The conversation as the upstream's chat template writes it, up to the assistant's turn."""
        template = {name: self._common[name] for name in TEMPLATE if name in self._common}
        if isinstance(self.request, ChatRequest) and self.request.reasoning_effort is not None:
            effort = self.request.reasoning_effort
            said = {"enable_thinking": effort != "none"} | template.get("chat_template_kwargs", {})
            template["chat_template_kwargs"] = said | {"reasoning_effort": effort}
        said = {"model": self.dialect.model, "messages": self._messages(prompt.messages), "add_generation_prompt": True}
        return orjson.dumps(said | template)

    def words(self, text: str, *, special: bool) -> bytes:
        """A text to be tokenised as it stands; `special`: with what opens a prompt of its own."""
        return orjson.dumps({"model": self.dialect.model, "prompt": text, "add_special_tokens": special})

    def _fields(self, sampling: Sampling) -> Body:
        body: Body = self.dialect.named(self.salt) if sampling.auxiliary else dict(self._common)
        if sampling.temperature is not None:
            body["temperature"] = sampling.temperature
        if sampling.seed is not None:
            body["seed"] = sampling.seed
        return body

    def _limit(self, sampling: Sampling, name: str) -> Body:
        if sampling.max_tokens is None:
            return {}
        return {name: min(sampling.max_tokens, self.dialect.longest or sampling.max_tokens)}

    def _said(self, body: Mapping[str, Any], sampling: Sampling, *, stream: bool, n: int) -> bytes:
        said = dict(body)
        if self.dialect.continues and (sampling.continued or sampling.stop):
            said["return_token_ids"] = True
        if n > 1:
            said |= {"n": n, "return_token_ids": True}
        if stream:
            running = {"continuous_usage_stats": True} if self.dialect.vllm else {}
            said |= {"stream": True, "stream_options": {"include_usage": True, **running}}
        return orjson.dumps(said)

    def _messages(self, messages: tuple[Message, ...]) -> orjson.Fragment:
        key = id(messages)
        if key not in self._written:
            wire = [{"role": message.role, "content": message.content, **message.extra} for message in messages]
            self._written[key] = (messages, orjson.Fragment(orjson.dumps(wire)))
        return self._written[key][1]


def listed(stop: object) -> list[object]:
    return [stop] if isinstance(stop, str) else list(stop) if isinstance(stop, list) else []
