"""Request body of `POST /v1/responses`, bounded. An unknown field is an error, except in input items and tools.

Next to OpenAI's fields are the sampling fields of vLLM's Responses API; `strategy`, `budget` and `cache` are this
server's own.
"""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, ValidationError, ValidationInfo, field_validator

from cogitate.server.protocol import responses_to_chat
from cogitate.server.protocol.chat import (
    BudgetOptions,
    ChatRequest,
    LogitBias,
    Penalty,
    Stop,
    TokenId,
)
from cogitate.server.protocol.messages import WITH_UNKNOWN_FIELDS, RequestModel, StrategyField, Text, reject
from cogitate.server.protocol.responses_field_names import rename_fields
from cogitate.server.protocol.responses_items import Id, Item, OutputMessage
from cogitate.server.protocol.responses_options import (
    FunctionTool,
    ReasoningOptions,
    StreamOptions,
    TextOptions,
    ToolChoice,
)
from cogitate.server.protocol.template_kwargs import TemplateKwargs
from cogitate.server.protocol.tools import drop_empty_tools
from cogitate.server.protocol.validation import to_bad_request

JSON = Any
LOGPROBS = "message.output_text.logprobs"
Include = Literal["message.output_text.logprobs", "reasoning.encrypted_content"]
NO_CONVERSATIONS = "this server stores no conversations: send the complete one as input, or previous_response_id"
InputItems = Annotated[
    list[Item], Field(min_length=1, max_length=4096), AfterValidator(responses_to_chat.check_reasoning)
]


class ResponsesRequest(RequestModel):
    model: Annotated[str, Field(max_length=512)]
    input: InputItems | Text
    instructions: Text | None = None
    max_output_tokens: Annotated[int, Field(ge=1, lt=2**31)] | None = None
    temperature: Annotated[float, Field(ge=0, le=2)] | None = None
    top_p: Annotated[float, Field(gt=0, le=1)] | None = None
    include: Annotated[list[Include], Field(max_length=16)] | None = None
    """Clients that keep no state ask for encrypted reasoning: reasoning items have their text here, which they may send
    back as it is."""
    top_logprobs: Annotated[int, Field(ge=0, le=20)] | None = None
    tools: Annotated[list[FunctionTool], Field(max_length=128)] | None = None
    tool_choice: Literal["none", "auto", "required"] | ToolChoice | None = None
    parallel_tool_calls: bool | None = None
    text: TextOptions | None = None
    reasoning: ReasoningOptions | None = None
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    truncation: Literal["disabled"] | None = None

    # OpenAI's bookkeeping: accepted, without effect on the answer
    metadata: (
        Annotated[
            dict[Annotated[str, Field(max_length=64)], Annotated[str, Field(max_length=512)]], Field(max_length=16)
        ]
        | None
    ) = None
    user: Id | None = None
    store: bool | None = None
    """True stores the response for an hour. By default only one in the background is stored."""
    background: bool | None = None
    """Answer at once, and go on without the client."""
    previous_response_id: Id | None = None
    """A stored response, whose input and output precede this input; its instructions do not."""
    service_tier: Literal["auto", "default"] | None = None
    safety_identifier: Id | None = None
    prompt_cache_key: Id | None = None
    max_tool_calls: Annotated[int, Field(ge=1, lt=2**31)] | None = None
    """Limits OpenAI's built-in tools, which do not exist here."""

    # would need another store
    conversation: Annotated[None, reject(NO_CONVERSATIONS)] = None
    prompt: Annotated[None, reject("this server stores no prompt templates: send the text itself")] = None

    # vLLM's sampling fields
    frequency_penalty: Penalty | None = None
    presence_penalty: Penalty | None = None
    repetition_penalty: Annotated[float, Field(gt=0, le=10)] | None = None
    logit_bias: LogitBias | None = None
    seed: Annotated[int, Field(ge=-(2**63), lt=2**63)] | None = None
    stop: Stop | Annotated[list[Stop], Field(max_length=16)] | None = None
    stop_token_ids: Annotated[list[TokenId], Field(max_length=128)] | None = None
    top_k: Annotated[int, Field(ge=-1, le=2**20)] | None = None
    min_p: Annotated[float, Field(ge=0, le=1)] | None = None
    ignore_eos: bool | None = None
    include_stop_str_in_output: bool | None = None
    skip_special_tokens: bool | None = None
    include_reasoning: bool | None = None
    chat_template_kwargs: TemplateKwargs | None = None

    # this server's own fields
    strategy: StrategyField | None = None
    budget: BudgetOptions | None = None
    cache: Literal["default", "no-store", "refresh"] = "default"

    @field_validator("stream_options")
    @classmethod
    def _check_stream_options(cls, options: StreamOptions | None, info: ValidationInfo) -> StreamOptions | None:
        if options and not info.data.get("stream"):
            raise ValueError("it needs stream to be true")
        return options

    @field_validator("top_logprobs")
    @classmethod
    def _check_top_logprobs(cls, top: int | None, info: ValidationInfo) -> int | None:
        if top and LOGPROBS not in (info.data.get("include") or ()):
            raise ValueError(f"it needs include to contain {LOGPROBS}")
        return top

    @field_validator("tool_choice")
    @classmethod
    def _check_tool_choice(cls, choice: object, info: ValidationInfo) -> object:
        tools = info.data.get("tools") or ()
        if choice not in (None, "none", "auto") and not tools:
            raise ValueError("it needs tools to choose from: add tools")
        if isinstance(choice, ToolChoice) and choice.name not in {tool.name for tool in tools}:
            raise ValueError("it names a function that is not among tools")
        return choice

    @field_validator("background")
    @classmethod
    def _check_background(cls, background: bool | None, info: ValidationInfo) -> bool | None:
        if background and info.data.get("store") is False:
            raise ValueError("it needs the response to be stored: omit store, or set it to true")
        return background

    @property
    def is_stored(self) -> bool:
        """Whether the response can be fetched, continued and deleted later."""
        return bool(self.background or self.store)

    @property
    def width(self) -> int:
        """Number of prompts."""
        return 1

    @property
    def n(self) -> int:
        """Number of answers: this API has one."""
        return 1

    def to_upstream(self, *, unknown_fields: bool = False) -> Mapping[str, JSON]:
        """Build the body for an upstream server: without our own fields and those left out, with `store` false.

        `unknown_fields`: with the fields of items and tools that are not known here.
        """
        context = WITH_UNKNOWN_FIELDS if unknown_fields else None
        body = self.model_dump(
            exclude_unset=True, exclude_none=True, by_alias=True, exclude=FIELDS_NOT_SENT_UPSTREAM, context=context
        )
        items = self.input if isinstance(self.input, str) else responses_to_chat.to_upstream(self.input, context)
        return {**drop_empty_tools(body), "input": items, "store": False}

    def to_chat(self) -> ChatRequest:
        """Convert to a chat request. Raises BadRequest, with the field names of this API."""
        fields = self.model_dump(exclude_unset=True, exclude_none=True, by_alias=True, include=FIELDS_SHARED_WITH_CHAT)
        try:
            return ChatRequest.model_validate(fields | self._messages() | self._answer_options() | self._tools())
        except ValidationError as error:
            raise rename_fields(to_bad_request(error)) from None

    def list_items(self) -> list[dict[str, JSON]]:
        """List the input as items that can be stored, and precede a later input."""
        if isinstance(self.input, str):
            return [{"type": "message", "role": "user", "content": self.input}]
        return [item.model_dump(mode="json", exclude_none=True, context=WITH_UNKNOWN_FIELDS) for item in self.input]

    def _messages(self) -> dict[str, JSON]:
        first = [{"role": "system", "content": self.instructions}] if self.instructions else []
        if isinstance(self.input, str):
            return {"messages": [*first, {"role": "user", "content": self.input}]}
        last = self.input[-1]
        unfinished = isinstance(last, OutputMessage) and last.status in ("in_progress", "incomplete")
        continued = {"continue_final_message": True, "add_generation_prompt": False} if unfinished else {}
        return {"messages": [*first, *responses_to_chat.to_messages(self.input)], **continued}

    def _answer_options(self) -> dict[str, JSON]:
        options: dict[str, JSON] = {}
        if self.max_output_tokens is not None:
            options["max_completion_tokens"] = self.max_output_tokens
        if self.text and self.text.format:
            options["response_format"] = self.text.format.to_chat()
        if self.reasoning and self.reasoning.effort:
            options["reasoning_effort"] = self.reasoning.effort
        if LOGPROBS in (self.include or ()):
            options |= {"logprobs": True, "top_logprobs": self.top_logprobs or 0}
        return options

    def _tools(self) -> dict[str, JSON]:
        if not self.tools:
            return {}
        functions = [tool.model_dump(exclude_none=True, exclude={"type"}) for tool in self.tools]
        tools = [{"type": "function", "function": function} for function in functions]
        choice = self.tool_choice.to_chat() if isinstance(self.tool_choice, ToolChoice) else self.tool_choice
        return {"tools": tools, **({"tool_choice": choice} if choice else {})}


FIELDS_NOT_SENT_UPSTREAM = {"strategy", "budget", "cache", "input", "stream_options", "service_tier"}
FIELDS_NOT_SENT_UPSTREAM |= {"safety_identifier", "prompt_cache_key"}
FIELDS_NOT_SENT_UPSTREAM |= {"previous_response_id", "conversation", "background", "prompt"}
FIELDS_SHARED_WITH_CHAT = ResponsesRequest.model_fields.keys() & ChatRequest.model_fields.keys()
FIELDS_SHARED_WITH_CHAT -= {"tools", "tool_choice", "store", "top_logprobs"}
