"""Builds the JSON bodies of upstream calls: the client's fields, and what the strategy sets for each decode."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson

from cogitate.server.engine import Body
from cogitate.server.engine.remote.dialects.refusals import CLIENT_FIELDS
from cogitate.server.protocol.chat import ChatRequest
from cogitate.server.protocol.completion import AnyRequest
from cogitate.server.protocol.responses import ResponsesRequest
from cogitate.strategies.core.prompt import Message, Prompt
from cogitate.strategies.core.types import Sampling

LABEL_ALTERNATIVES = 20
"""The maximum of OpenAI's API: a label that is not among so many alternatives is not likely."""
PER_CALL_FIELDS = frozenset(
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
"""Fields of the client's request that each decode sets for itself."""
CHAT_ONLY_FIELDS = frozenset(
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
"""Fields that /v1/completions does not have."""
UNLEARNABLE_HINTS = frozenset({"thinking_token_budget"})
"""vLLM without a reasoning parser refuses it amid a stream, without saying that it does not have the field."""
TEMPLATE_FIELDS = ("tools", "chat_template_kwargs")
"""Fields, beside the messages, that the chat template renders."""


@dataclass(frozen=True, slots=True)
class Dialect:
    """What this upstream supports beyond OpenAI's API."""

    model: str
    vllm: bool = False
    """It reports usage in every chunk, and partitions its prefix cache by `cache_salt`."""
    continues: bool = False
    """It has /tokenize, continues token ids and reports the ids of decoded tokens."""
    batches: bool = False
    """It takes `n` above 1 and reports the token ids of each choice."""
    seeds: bool = False
    """The same seed gives the same text."""
    context: int | None = None
    """Context length in tokens: the largest max_tokens that it accepts."""

    def base_fields(self, salt: str) -> Body:
        """The fields of every call: the model, and the tenant's salt for the prefix cache."""
        return {"model": self.model, "cache_salt": salt} if self.vllm and salt else {"model": self.model}


@dataclass(slots=True)
class RequestBuilder:
    """Builds the bodies of one request's calls. Messages are serialised once, however many samples are drawn.

    Verdicts are not stored: each has a prompt of its own.
    """

    request: AnyRequest
    dialect: Dialect
    salt: str = ""
    _common: Body = field(init=False)
    _required: frozenset[str] = field(init=False)
    _message_cache: dict[int, tuple[object, orjson.Fragment]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        fields = list_fields(self.request)
        self._required = list_required_fields(self.request, fields)
        self._common = {name: value for name, value in fields.items() if name not in PER_CALL_FIELDS}
        self._common |= self.dialect.base_fields(self.salt)

    def list_required_fields(self, sampling: Sampling) -> frozenset[str]:
        """The fields that a decode must not be sent without: the client's own, unless the question is not its own."""
        return frozenset() if sampling.auxiliary else self._required

    def build_chat(self, prompt: Prompt, sampling: Sampling, *, stream: bool, n: int = 1) -> bytes:
        """Build the body of a chat completion with `n` choices."""
        is_newer = self.request.value_of("max_completion_tokens") is not None
        limit = self._limit_field(sampling, "max_completion_tokens" if is_newer else "max_tokens")
        body = {**self._sampling_fields(sampling), **limit}
        if sampling.labels:
            body |= {"messages": encode_messages(prompt.messages), **self._verdict_fields()}
            return self._encode(body, sampling, stream=stream, n=n)
        body["messages"] = self._encode_messages(prompt.messages)
        if sampling.logprobs is not None:
            body["logprobs"] = True
            if sampling.logprobs:
                body["top_logprobs"] = sampling.logprobs
        return self._encode(body, sampling, stream=stream, n=n)

    def build_completion(
        self, prompt: str | list[int], sampling: Sampling, *, stream: bool, n: int = 1, tag: int | None = None
    ) -> bytes:
        """Build the body of a raw completion: of text, or of the token ids to continue.

        A stop string of the strategy's stays at the end of the text; the token `tag` ends the decode.
        """
        fields = {
            name: value for name, value in self._sampling_fields(sampling).items() if name not in CHAT_ONLY_FIELDS
        }
        body: Body = {**fields, "prompt": prompt, **self._limit_field(sampling, "max_tokens")}
        if sampling.labels:
            body["logprobs"] = LABEL_ALTERNATIVES
        elif sampling.logprobs is not None:
            body["logprobs"] = sampling.logprobs
        if sampling.stop:
            body["stop"] = [*to_list(body.get("stop")), *sampling.stop]
            body["include_stop_str_in_output"] = True
        if tag is not None:
            body["stop_token_ids"] = [tag]
        return self._encode(body, sampling, stream=stream, n=n)

    def build_chat_tokenization(self, prompt: Prompt) -> bytes:
        """Build the body that has /tokenize render the messages by the chat template, up to the assistant's turn."""
        template = {name: self._common[name] for name in TEMPLATE_FIELDS if name in self._common}
        if isinstance(self.request, ChatRequest) and self.request.reasoning_effort is not None:
            effort = self.request.reasoning_effort
            arguments = {"enable_thinking": effort != "none"} | template.get("chat_template_kwargs", {})
            template["chat_template_kwargs"] = arguments | {"reasoning_effort": effort}
        messages = self._encode_messages(prompt.messages)
        return orjson.dumps(
            {"model": self.dialect.model, "messages": messages, "add_generation_prompt": True} | template
        )

    def build_text_tokenization(self, text: str, *, special: bool) -> bytes:
        """Build the body that has /tokenize encode `text`; `special`: with the tokens that begin a prompt."""
        return orjson.dumps({"model": self.dialect.model, "prompt": text, "add_special_tokens": special})

    def _sampling_fields(self, sampling: Sampling) -> Body:
        body: Body = self.dialect.base_fields(self.salt) if sampling.auxiliary else dict(self._common)
        if sampling.temperature is not None:
            body["temperature"] = sampling.temperature
        if sampling.seed is not None:
            body["seed"] = sampling.seed
        return body

    def _verdict_fields(self) -> Body:
        """The fields of a verdict, which is the reply's first token: vLLM's chat template must not begin a thought."""
        template = {"chat_template_kwargs": {"enable_thinking": False}} if self.dialect.vllm else {}
        return {"logprobs": True, "top_logprobs": LABEL_ALTERNATIVES, **template}

    def _limit_field(self, sampling: Sampling, name: str) -> Body:
        if sampling.max_tokens is None:
            return {}
        return {name: min(sampling.max_tokens, self.dialect.context or sampling.max_tokens)}

    def _encode(self, fields: Mapping[str, Any], sampling: Sampling, *, stream: bool, n: int) -> bytes:
        body = dict(fields)
        if self.dialect.continues and (sampling.needs_token_ids or sampling.stop):
            body["return_token_ids"] = True
        if (least := body.get("min_tokens")) and (limit := body.get("max_tokens") or body.get("max_completion_tokens")):
            body["min_tokens"] = min(least, limit)  # the budget may leave fewer tokens than the client asked for
        if n > 1:
            body |= {"n": n, "return_token_ids": True}
        if stream:
            running = {"continuous_usage_stats": True} if self.dialect.vllm else {}
            body |= {"stream": True, "stream_options": {"include_usage": True, **running}}
        return orjson.dumps(body)

    def _encode_messages(self, messages: tuple[Message, ...]) -> orjson.Fragment:
        key = id(messages)
        if key not in self._message_cache:
            self._message_cache[key] = (messages, encode_messages(messages))
        return self._message_cache[key][1]


def encode_messages(messages: tuple[Message, ...]) -> orjson.Fragment:
    bodies = [{"role": message.role, "content": message.content, **message.extra} for message in messages]
    return orjson.Fragment(orjson.dumps(bodies))


def list_fields(request: AnyRequest | ResponsesRequest, *, unknown_fields: bool = False) -> Mapping[str, Any]:
    """Return the client's fields, without the hints that upstreams refuse in ways that cannot be learned from."""
    fields = request.to_upstream(unknown_fields=unknown_fields)
    if isinstance(request, ResponsesRequest) or not (left_out := UNLEARNABLE_HINTS & request.hints):
        return fields
    return {name: value for name, value in fields.items() if name not in left_out}


def list_required_fields(request: AnyRequest, fields: Mapping[str, Any]) -> frozenset[str]:
    """Return which of the client's fields an upstream has to honour."""
    return (CLIENT_FIELDS & fields.keys()) - request.hints


def to_list(stop: object) -> list[object]:
    """Return OpenAI's `stop`, a string, a list or nothing, as a list."""
    return [stop] if isinstance(stop, str) else list(stop) if isinstance(stop, list) else []
