"""Request bodies of `POST /v1/messages` and `/v1/messages/count_tokens`, bounded.

The fields are those of Anthropic's API and its betas; `strategy`, `budget` and `cache` are this server's own. Each is
honoured, accepted because it changes no answer, or refused by name. Any other field is an error, but with an
`anthropic-beta` header it is taken without effect: clients send the fields of betas before servers know them.
"""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, ValidationError, model_validator

from cogitate.server.errors import BadRequest
from cogitate.server.protocol.anthropic_blocks import InputMessage, TextBlock
from cogitate.server.protocol.anthropic_options import (
    CacheControl,
    ContextManagement,
    CustomTool,
    Metadata,
    OutputConfig,
    OutputFormat,
    Thinking,
    ToolChoice,
)
from cogitate.server.protocol.anthropic_turns import has_open_turn, to_messages, to_tools
from cogitate.server.protocol.chat import BudgetOptions, ChatRequest, Stop
from cogitate.server.protocol.messages import RequestModel, StrategyField, Text
from cogitate.server.protocol.template_kwargs import TemplateKwargs
from cogitate.server.protocol.validation import contradiction, to_bad_request

JSON = Any
REFUSED = {
    "container": "this server runs no tools: omit it",
    "mcp_servers": "this server calls no tools: connect to them in the client, and send their tools",
    "compaction": "this server compacts no conversations: summarise it with a request of its own",
    "thread": "this server stores no conversations: send the complete one as messages",
    "billing_policy": "this server bills nobody: omit it",
    "inference_geo": "this server has one place: omit it",
}
"""Field -> reason. Without a value (null, or an empty list) they have no effect."""
HINTS = frozenset({"chat_template_kwargs", "thinking_token_budget", "reasoning_effort", "parallel_tool_calls"})
HINTS |= {"max_completion_tokens"}
"""Fields of the chat request that Anthropic's clients send whatever the model, as `hints`."""


class PromptRequest(RequestModel):
    """What the two routes share: everything that the model reads."""

    model: Annotated[str, Field(max_length=512)]
    messages: Annotated[list[InputMessage], Field(min_length=1, max_length=4096)]
    system: Text | Annotated[list[TextBlock], Field(max_length=1024)] | None = None
    tools: Annotated[list[CustomTool], Field(max_length=1024)] | None = None
    tool_choice: ToolChoice | None = None
    thinking: Thinking | None = None
    output_config: OutputConfig | None = None
    output_format: OutputFormat | None = None
    """An older name of `output_config.format`."""
    chat_template_kwargs: TemplateKwargs | None = None
    """vLLM's field."""

    # accepted, without effect on the answer
    cache_control: CacheControl | None = None
    context_management: ContextManagement | None = None
    speed: Literal["standard", "fast"] | None = None

    # this server's own field
    strategy: StrategyField | None = None

    @model_validator(mode="before")
    @classmethod
    def _refuse(cls, value: object) -> object:
        if not isinstance(value, dict):
            return value
        for name in REFUSED.keys() & value.keys():
            if value[name] not in (None, [], {}):
                raise contradiction(name, f"It is not supported, since {REFUSED[name]}")
        return {name: field for name, field in value.items() if name not in REFUSED and field is not None}

    @property
    def format(self) -> OutputFormat | None:
        return (self.output_config.format if self.output_config else None) or self.output_format

    def to_chat(self) -> ChatRequest:
        """Convert to a chat request. Raises BadRequest."""
        fields = {"model": self.model, "messages": to_messages(self.system, self.messages)}
        try:
            chat = ChatRequest.model_validate(fields | self._chat_fields())
        except ValidationError as error:
            raise _without_path(to_bad_request(error)) from None
        return chat.with_hints(HINTS & chat.model_fields_set)

    def _chat_fields(self) -> dict[str, JSON]:
        fields: dict[str, JSON] = {"strategy": self.strategy} if self.strategy else {}
        if has_open_turn(self.messages):
            fields |= {"continue_final_message": True, "add_generation_prompt": False}
        if self.format:
            fields["response_format"] = self.format.to_chat()
        if self.output_config and self.output_config.effort:
            fields["reasoning_effort"] = self.output_config.effort
        return fields | self._thinking_fields() | self._tool_fields()

    def _thinking_fields(self) -> dict[str, JSON]:
        template: dict[str, JSON] = dict(self.chat_template_kwargs or {})
        fields: dict[str, JSON] = {}
        if self.thinking and self.thinking.type in ("enabled", "disabled"):
            is_on = self.thinking.type == "enabled"
            template = {"enable_thinking": is_on, "thinking": is_on} | template
            fields = {"thinking_token_budget": self.thinking.budget_tokens} if is_on else {}
        return fields | ({"chat_template_kwargs": template} if template else {})

    def _tool_fields(self) -> dict[str, JSON]:
        tools = to_tools(self.tools or [], self.messages)
        fields: dict[str, JSON] = {"tools": tools} if tools else {}
        if self.tool_choice:
            fields["tool_choice"] = self.tool_choice.to_chat()
            if self.tool_choice.disable_parallel_tool_use and tools:
                fields["parallel_tool_calls"] = False
        return fields


class MessagesRequest(PromptRequest):
    max_tokens: Annotated[int, Field(ge=1, lt=2**31)]
    stop_sequences: Annotated[list[Stop], Field(max_length=16)] | None = None
    stream: bool = False
    temperature: Annotated[float, Field(ge=0, le=2)] | None = None
    top_p: Annotated[float, Field(gt=0, le=1)] | None = None
    top_k: Annotated[int, Field(ge=-1, le=2**20)] | None = None

    # accepted, without effect on the answer
    metadata: Metadata | None = None
    service_tier: Literal["auto", "standard_only"] | None = None
    diagnostics: dict[str, JSON] | None = None
    fallbacks: list[JSON] | Literal["default"] | None = None
    """Other models for what the requested one refuses by policy. No model here does."""
    fallback_credit_token: Annotated[str, Field(max_length=8192)] | None = None

    # this server's own fields
    budget: BudgetOptions | None = None
    cache: Literal["default", "no-store", "refresh"] = "default"

    @property
    def shows_thinking(self) -> bool:
        """Whether the answer has thinking blocks."""
        return self.thinking is None or self.thinking.type != "disabled"

    @property
    def omits_thinking(self) -> bool:
        """Whether thinking blocks have no text."""
        return self.thinking is not None and self.thinking.display == "omitted"

    def _chat_fields(self) -> dict[str, JSON]:
        shared = self.model_dump(exclude_unset=True, include={"temperature", "top_p", "top_k", "budget", "cache"})
        fields = super()._chat_fields() | shared | {"max_completion_tokens": self.max_tokens}
        if self.stop_sequences:
            fields["stop"] = self.stop_sequences
        return fields | ({"stream": True, "stream_options": {"include_usage": True}} if self.stream else {})


class CountTokensRequest(PromptRequest):
    pass


class BetaMessagesRequest(MessagesRequest):
    model_config = ConfigDict(extra="ignore")


class BetaCountTokensRequest(CountTokensRequest):
    model_config = ConfigDict(extra="ignore")


def is_beta(headers: Mapping[str, str]) -> bool:
    """Whether the client uses betas, whose fields this server may not know."""
    return bool(headers.get("anthropic-beta"))


def _without_path(error: BadRequest) -> BadRequest:
    """Name only the field: places in the chat request are not those of the client's body."""
    name = (error.param or "").partition(".")[0]
    error.message = error.message.replace(f"'{error.param}'", f"'{name}'")
    error.param = name or None
    return error
