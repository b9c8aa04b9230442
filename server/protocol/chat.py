"""Request body of `POST /v1/chat/completions`."""

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, model_validator

from cogitate.server.protocol.messages import ChatMessage, Name, RequestModel, Text
from cogitate.server.protocol.sampled_request import SampledRequest
from cogitate.server.protocol.validation import contradiction
from cogitate.strategies.checks import check_refs
from cogitate.strategies.core.types import Prompt

Schema = Annotated[dict[str, Any], AfterValidator(check_refs)]
"""A JSON schema that a client sends."""


class FunctionDefinition(RequestModel):
    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9_.-]{1,64}$")]
    description: Text | None = None
    parameters: Schema | None = None
    strict: bool | None = None


class Tool(RequestModel):
    type: Literal["function"]
    function: FunctionDefinition


class NamedFunction(RequestModel):
    name: Name


class ToolChoice(RequestModel):
    type: Literal["function"] = "function"
    function: NamedFunction


class JsonSchema(RequestModel):
    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,64}$")]
    description: Text | None = None
    schema_: Annotated[Schema | None, Field(alias="schema")] = None
    strict: bool | None = None


class ResponseFormat(RequestModel):
    type: Literal["text", "json_object", "json_schema"]
    json_schema: JsonSchema | None = None

    @model_validator(mode="after")
    def _check_schema(self) -> "ResponseFormat":
        if self.type == "json_schema" and self.json_schema is None:
            raise ValueError("type json_schema needs json_schema")
        return self


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
    chat_template_kwargs: dict[Literal["enable_thinking", "thinking"], bool] | None = None

    @model_validator(mode="after")
    def _check_logprobs(self) -> "ChatRequest":
        if self.top_logprobs and not self.logprobs:
            raise contradiction("top_logprobs", "It needs logprobs to be true")
        return self

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
