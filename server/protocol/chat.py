"""OpenAI's request bodies, closed and bounded: what is not named here is refused, so that nothing is silently lost.

Beside OpenAI's fields stand the sampling fields that vLLM's users send. `strategy`, `budget` and `cache` are ours.
"""

from collections.abc import Mapping
from typing import Annotated, Any, Literal, cast

from pydantic import Field, model_validator

from cogitate.server.protocol.messages import ChatMessage, ChosenStrategy, Name, Text, Wire
from cogitate.server.protocol.schemas import Schema
from cogitate.server.protocol.validation import contradiction
from cogitate.strategies.core.types import Prompt

JSON = Any
Stop = Annotated[str, Field(min_length=1, max_length=256)]
Penalty = Annotated[float, Field(ge=-2, le=2)]
TokenId = Annotated[int, Field(ge=0, lt=2**31)]


class FunctionDefinition(Wire):
    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9_.-]{1,64}$")]
    description: Text | None = None
    parameters: Schema | None = None
    strict: bool | None = None


class Tool(Wire):
    type: Literal["function"]
    function: FunctionDefinition


class NamedFunction(Wire):
    name: Name


class ToolChoice(Wire):
    type: Literal["function"] = "function"
    function: NamedFunction


class JsonSchema(Wire):
    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,64}$")]
    description: Text | None = None
    schema_: Annotated[Schema | None, Field(alias="schema")] = None
    strict: bool | None = None


class ResponseFormat(Wire):
    type: Literal["text", "json_object", "json_schema"]
    json_schema: JsonSchema | None = None

    @model_validator(mode="after")
    def _complete(self) -> "ResponseFormat":
        if self.type == "json_schema" and self.json_schema is None:
            raise ValueError("type json_schema needs json_schema")
        return self


class StreamOptions(Wire):
    include_usage: bool | None = None
    include_obfuscation: bool | None = None
    continuous_usage_stats: bool | None = None
    include_progress: bool | None = None
    """Ours: progress chunks while a search runs."""


class BudgetOptions(Wire):
    """When it ends, the best answer so far is returned and marked."""

    seconds: float | None = Field(default=None, gt=0, le=86_400)
    tokens: int | None = Field(default=None, ge=1, le=2**31)


class SampledRequest(Wire):
    """What chats and completions share."""

    model: Annotated[str, Field(max_length=512)]
    frequency_penalty: Penalty | None = None
    presence_penalty: Penalty | None = None
    logit_bias: Annotated[dict[str, Annotated[float, Field(ge=-100, le=100)]], Field(max_length=1024)] | None = None
    max_tokens: Annotated[int, Field(ge=1, lt=2**31)] | None = None
    n: Annotated[int, Field(ge=1, le=128)] | None = None
    seed: Annotated[int, Field(ge=-(2**63), lt=2**63)] | None = None
    stop: Stop | Annotated[list[Stop], Field(max_length=16)] | None = None
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    temperature: Annotated[float, Field(ge=0, le=2)] | None = None
    top_p: Annotated[float, Field(gt=0, le=1)] | None = None
    user: Annotated[str, Field(max_length=512)] | None = None

    # vLLM's sampling
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

    # ours
    strategy: ChosenStrategy | None = None
    budget: BudgetOptions | None = None
    cache: Literal["default", "no-store", "refresh"] = "default"

    @model_validator(mode="after")
    def _streamed(self) -> "SampledRequest":
        if self.stream_options and not self.stream:
            raise contradiction("stream_options", "It needs stream to be true")
        if self.min_tokens and self.limit and self.min_tokens > self.limit:
            raise contradiction("min_tokens", "It is above max_tokens")
        return self

    @property
    def limit(self) -> int | None:
        """The most tokens of the answer."""
        return self.max_tokens

    @property
    def stops(self) -> tuple[str, ...]:
        return (self.stop,) if isinstance(self.stop, str) else tuple(self.stop or ())

    @property
    def binds(self) -> bool:
        """It bounds what the text may hold or where it ends, so that nothing of ours may be written behind it."""
        return bool(self.stop or self.stop_token_ids or self.bad_words or self.allowed_token_ids or self.logit_bias)

    @property
    def counts_as_it_goes(self) -> bool:
        """It asks for what only the engine's own stream has: token ids, or usage with every chunk."""
        counts = self.stream_options is not None and self.stream_options.continuous_usage_stats
        return bool(counts or self.return_token_ids)

    def said(self, name: str) -> object:
        """The value of a field; None for one that this kind of request has not."""
        return self.__dict__.get(name)

    def forwarded(self) -> Mapping[str, JSON]:
        """The body as a plain OpenAI server takes it: without what is ours, and without what was not said."""
        body = self.model_dump(exclude_unset=True, exclude_none=True, by_alias=True, exclude=OURS)
        if options := body.get("stream_options"):
            options.pop("include_progress", None)
        return body


class ChatRequest(SampledRequest):
    messages: Annotated[list[ChatMessage], Field(min_length=1, max_length=4096)]
    logprobs: bool | None = None
    top_logprobs: Annotated[int, Field(ge=0, le=20)] | None = None
    max_completion_tokens: Annotated[int, Field(ge=1, lt=2**31)] | None = None
    response_format: ResponseFormat | None = None
    tools: Annotated[list[Tool], Field(min_length=1, max_length=128)] | None = None
    tool_choice: Literal["none", "auto", "required"] | ToolChoice | None = None
    parallel_tool_calls: bool | None = None
    reasoning_effort: Literal["none", "minimal", "low", "medium", "high", "xhigh"] | None = None

    # OpenAI's bookkeeping: accepted, and without effect on the answer
    metadata: dict[str, str] | None = None
    store: Literal[False] | None = None
    service_tier: Literal["auto", "default"] | None = None
    safety_identifier: Annotated[str, Field(max_length=512)] | None = None
    prompt_cache_key: Annotated[str, Field(max_length=512)] | None = None
    modalities: list[Literal["text"]] | None = None

    # vLLM's
    include_reasoning: bool | None = None
    thinking_token_budget: Annotated[int, Field(ge=0, lt=2**31)] | None = None
    add_generation_prompt: bool | None = None
    continue_final_message: bool | None = None
    chat_template_kwargs: dict[Literal["enable_thinking", "thinking"], bool] | None = None

    @model_validator(mode="after")
    def _consistent(self) -> "ChatRequest":
        if self.top_logprobs and not self.logprobs:
            raise contradiction("top_logprobs", "It needs logprobs to be true")
        return self

    @property
    def limit(self) -> int | None:
        return self.max_completion_tokens if self.max_completion_tokens is not None else self.max_tokens

    @property
    def prompt(self) -> Prompt:
        return Prompt(tuple(message.message() for message in self.messages))

    @property
    def asked(self) -> Prompt:
        return self.prompt

    @property
    def width(self) -> int:
        return 1

    @property
    def alternatives(self) -> int | None:
        """How many alternatives to each token are wanted; None: not even the token's own log-probability."""
        return (self.top_logprobs or 0) if self.logprobs else None

    @property
    def wants_json(self) -> bool:
        return self.response_format is not None and self.response_format.type != "text"

    @property
    def offers_tools(self) -> bool:
        return self.tools is not None and self.tool_choice != "none"


class CompletionRequest(SampledRequest):
    """A raw prompt: text or token ids, one or several."""

    prompt: (
        Annotated[str, Field(min_length=1, max_length=1_000_000)]
        | Annotated[list[Annotated[str, Field(min_length=1)]], Field(min_length=1, max_length=128)]
        | Annotated[list[TokenId], Field(min_length=1)]
        | Annotated[list[Annotated[list[TokenId], Field(min_length=1)]], Field(min_length=1, max_length=128)]
    )
    best_of: Literal[1] | None = None
    suffix: Literal[""] | None = None
    logprobs: Annotated[int, Field(ge=0, le=20)] | None = None

    @property
    def asked(self) -> Prompt:
        """The one prompt that a strategy answers."""
        only = self.prompt[0] if self.nested else self.prompt
        return Prompt((), raw=only if isinstance(only, str) else tuple(cast("list[int]", only)))

    @property
    def alternatives(self) -> int | None:
        return self.logprobs

    @property
    def nested(self) -> bool:
        return isinstance(self.prompt, list) and not isinstance(self.prompt[0], int)

    @property
    def width(self) -> int:
        """How many prompts it holds."""
        return len(self.prompt) if self.nested else 1


AnyRequest = ChatRequest | CompletionRequest
OURS = {"strategy", "budget", "cache", "store", "service_tier", "safety_identifier", "prompt_cache_key", "modalities"}
OURS |= {"best_of", "suffix"}
