"""Request body of `POST /v1/chat/completions`, and the fields that it shares with `/v1/completions`.

Request models are closed and bounded: an unknown field is an error, so that none is dropped silently; only messages and
tools are open (see `messages.OpenModel`). Next to OpenAI's fields are vLLM's sampling fields; `strategy`, `budget` and
`cache` are this server's own.
"""

import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, model_validator

from cogitate.server.protocol.hints import HintedRequest
from cogitate.server.protocol.messages import (
    WITH_UNKNOWN_FIELDS,
    ChatMessage,
    RequestModel,
    StrategyField,
)
from cogitate.server.protocol.response_format import ResponseFormat
from cogitate.server.protocol.template_kwargs import TemplateKwargs
from cogitate.server.protocol.tools import TOOL_FIELDS, Tool, ToolChoice, drop_empty_tools
from cogitate.server.protocol.validation import contradiction
from cogitate.strategies.core.prompt import Prompt

JSON = Any
Stop = Annotated[str, Field(min_length=1, max_length=256)]
Penalty = Annotated[float, Field(ge=-2, le=2)]
TokenId = Annotated[int, Field(ge=0, lt=2**31)]
TOKEN_ID_KEY = re.compile(r"0|[1-9][0-9]{0,9}")


def _check_logit_bias(value: object) -> object:
    """Checked as a whole, so that an error names the field and not one of up to 1,024 keys."""
    if not isinstance(value, dict):
        return value
    for key, bias in value.items():
        if not (isinstance(key, str) and TOKEN_ID_KEY.fullmatch(key) and int(key) < 2**31):
            raise ValueError("its keys must be token ids, such as '42'")
        if isinstance(bias, bool) or not isinstance(bias, int | float) or not -100 <= bias <= 100:
            raise ValueError("its values must be numbers from -100 to 100")
    return value


LogitBias = Annotated[dict[str, float], Field(max_length=1024), BeforeValidator(_check_logit_bias)]
"""Token id -> what is added to the token's logit."""


def _check_progress(value: object) -> object:
    """Checked before the union, so that an error names the field and not one of its types."""
    if value is None or isinstance(value, bool) or value == "text":
        return value
    raise ValueError("it must be true, false or 'text'")


ProgressWish = Annotated[bool | Literal["text"] | None, BeforeValidator(_check_progress)]


class StreamOptions(RequestModel):
    include_usage: bool | None = None
    include_obfuscation: bool | None = None
    continuous_usage_stats: bool | None = None
    include_progress: ProgressWish = None
    """This server's own: send a chunk for each event of the search; `text`: with the texts of decodes."""


class BudgetOptions(RequestModel):
    """Limits of a search. When one is reached, the best answer so far is returned and marked."""

    seconds: float | None = Field(default=None, gt=0, le=86_400)
    tokens: int | None = Field(default=None, ge=1, le=2**31)


class SampledRequest(HintedRequest):
    """Base of chat and completion requests."""

    model: Annotated[str, Field(max_length=512)]
    frequency_penalty: Penalty | None = None
    presence_penalty: Penalty | None = None
    logit_bias: LogitBias | None = None
    max_tokens: Annotated[int, Field(ge=1, lt=2**31)] | None = None
    n: Annotated[int, Field(ge=1, le=128)] | None = None
    seed: Annotated[int, Field(ge=-(2**63), lt=2**63)] | None = None
    stop: Stop | Annotated[list[Stop], Field(max_length=16)] | None = None
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    temperature: Annotated[float, Field(ge=0, le=2)] | None = None
    top_p: Annotated[float, Field(gt=0, le=1)] | None = None
    user: Annotated[str, Field(max_length=512)] | None = None

    # vLLM's sampling fields
    top_k: Annotated[int, Field(ge=-1, le=2**20)] | None = None
    min_p: Annotated[float, Field(ge=0, le=1)] | None = None
    repetition_penalty: Annotated[float, Field(gt=0, le=10)] | None = None
    min_tokens: Annotated[int, Field(ge=0, lt=2**31)] | None = None
    ignore_eos: bool | None = None
    include_stop_str_in_output: bool | None = None
    skip_special_tokens: bool | None = None
    spaces_between_special_tokens: bool | None = None
    stop_token_ids: Annotated[list[TokenId], Field(max_length=128)] | None = None
    allowed_token_ids: Annotated[list[TokenId], Field(min_length=1, max_length=1024)] | None = None
    bad_words: Annotated[list[Stop], Field(max_length=128)] | None = None
    echo: bool | None = None
    return_token_ids: bool | None = None

    # this server's own fields
    strategy: StrategyField | None = None
    budget: BudgetOptions | None = None
    cache: Literal["default", "no-store", "refresh"] = "default"

    @model_validator(mode="after")
    def _check_dependencies(self) -> "SampledRequest":
        if self.stream_options and not self.stream:
            raise contradiction("stream_options", "It needs stream to be true")
        if self.min_tokens and self.limit and self.min_tokens > self.limit:
            raise contradiction("min_tokens", "It is above max_tokens")
        return self

    @property
    def limit(self) -> int | None:
        """Maximum number of tokens in the answer; None where the client sets none."""
        return self.max_tokens

    @property
    def stop_strings(self) -> tuple[str, ...]:
        return (self.stop,) if isinstance(self.stop, str) else tuple(self.stop or ())

    @property
    def constrains_text(self) -> bool:
        """Whether the request restricts the text or its end, so that nothing may be appended to what was decoded."""
        return bool(self.stop or self.stop_token_ids or self.bad_words or self.allowed_token_ids or self.logit_bias)

    @property
    def needs_engine_stream(self) -> bool:
        """Whether it asks for what only the engine's own stream has: token ids, or usage with every chunk."""
        continuous = self.stream_options is not None and self.stream_options.continuous_usage_stats
        return bool(continuous or self.return_token_ids)

    def value_of(self, name: str) -> object:
        """Value of a field; None for a field that this kind of request does not have."""
        return self.__dict__.get(name)

    def to_upstream(self, *, unknown_fields: bool = False) -> Mapping[str, JSON]:
        """Build the body for a plain OpenAI server: without our own fields and those that the client left out.

        `unknown_fields`: with the fields of messages and tools that are not known here.
        """
        body = self.model_dump(
            exclude_unset=True,
            exclude_none=True,
            by_alias=True,
            exclude=FIELDS_NOT_SENT_UPSTREAM,
            context=WITH_UNKNOWN_FIELDS if unknown_fields else None,
        )
        if options := body.get("stream_options"):
            options.pop("include_progress", None)
        return body


OPEN_CHOICES = (None, "none", "auto")
"""Values of `tool_choice` that leave the model free to answer in words."""


class ChatRequest(SampledRequest):
    messages: Annotated[list[ChatMessage], Field(min_length=1, max_length=4096)]
    logprobs: bool | None = None
    top_logprobs: Annotated[int, Field(ge=0, le=20)] | None = None
    max_completion_tokens: Annotated[int, Field(ge=1, lt=2**31)] | None = None
    response_format: ResponseFormat | None = None
    tools: Annotated[list[Tool], Field(min_length=1, max_length=1024)] | None = None
    tool_choice: Literal["none", "auto", "required"] | ToolChoice | None = None
    parallel_tool_calls: bool | None = None
    reasoning_effort: Literal["none", "minimal", "low", "medium", "high", "xhigh", "max"] | None = None

    # OpenAI's bookkeeping: accepted, without effect on the answer
    metadata: dict[str, str] | None = None
    store: Literal[False] | None = None
    service_tier: Literal["auto", "default"] | None = None
    safety_identifier: Annotated[str, Field(max_length=512)] | None = None
    prompt_cache_key: Annotated[str, Field(max_length=512)] | None = None
    modalities: list[Literal["text"]] | None = None

    # vLLM's fields
    include_reasoning: bool | None = None
    thinking_token_budget: Annotated[int, Field(ge=0, lt=2**31)] | None = None
    add_generation_prompt: bool | None = None
    continue_final_message: bool | None = None
    chat_template_kwargs: TemplateKwargs | None = None

    @model_validator(mode="before")
    @classmethod
    def _drop_empty_tools(cls, value: object) -> object:
        """An empty list of tools counts as absent, and so does a `tool_choice` that then chooses nothing."""
        return drop_empty_tools(value) if isinstance(value, dict) and TOOL_FIELDS & value.keys() else value

    @model_validator(mode="after")
    def _check_needed_fields(self) -> "ChatRequest":
        if self.top_logprobs and not self.logprobs:
            raise contradiction("top_logprobs", "It needs logprobs to be true")
        if self.tool_choice not in OPEN_CHOICES and not self.tools:
            raise contradiction("tool_choice", "It needs tools to choose from: add tools")
        if isinstance(self.tool_choice, ToolChoice) and self.tool_choice.function.name not in self.tool_names:
            raise contradiction("tool_choice", "It names a function that is not among tools")
        if self.allowed_token_ids and (self.wants_json or (self.tools and self.tool_choice not in OPEN_CHOICES)):
            grammar = "response_format" if self.wants_json else "tool_choice"
            raise contradiction("allowed_token_ids", f"It restricts the same tokens as {grammar}: omit one of them")
        return self

    @property
    def tool_names(self) -> frozenset[str]:
        """The functions that the model may call."""
        return frozenset(tool.function.name for tool in self.tools or ())

    @property
    def limit(self) -> int | None:
        return self.max_completion_tokens if self.max_completion_tokens is not None else self.max_tokens

    @property
    def prompt(self) -> Prompt:
        return Prompt(tuple(message.to_message() for message in self.messages))

    @property
    def strategy_prompt(self) -> Prompt:
        """The prompt that a strategy answers."""
        return self.prompt

    @property
    def width(self) -> int:
        """Number of prompts."""
        return 1

    @property
    def alternatives(self) -> int | None:
        """Number of alternatives for each token; None: no log-probabilities."""
        return (self.top_logprobs or 0) if self.logprobs else None

    @property
    def wants_json(self) -> bool:
        return self.response_format is not None and self.response_format.type != "text"

    @property
    def offers_tools(self) -> bool:
        return self.tools is not None and self.tool_choice != "none"


FIELDS_NOT_SENT_UPSTREAM = {"strategy", "budget", "cache", "best_of", "suffix"}
"""This server's own fields, and those of OpenAI that are accepted without effect."""
FIELDS_NOT_SENT_UPSTREAM |= {"store", "service_tier", "safety_identifier", "prompt_cache_key", "modalities"}
