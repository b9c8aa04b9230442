"""Nested options of an Anthropic request."""

from typing import Annotated, Any, Literal

from pydantic import Field, field_validator, model_validator

from cogitate.server.protocol.messages import Name, OpenModel, RequestModel, Text
from cogitate.server.protocol.tools import Schema

JSON = Any
Effort = Literal["low", "medium", "high", "xhigh", "max"]
ONLY_CUSTOM_TOOLS = (
    "only custom tools are supported, which the client runs: send name, description and input_schema, "
    "since this server runs no tools of Anthropic's"
)


class CustomTool(OpenModel):
    """A tool that the client runs."""

    type: Literal["custom"] = "custom"
    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9_.-]{1,128}$")]
    description: Text | None = None
    input_schema: Schema
    strict: bool | None = None
    defer_loading: bool = False
    """Whether the tool is offered only once a `tool_reference` names it."""

    @model_validator(mode="before")
    @classmethod
    def _check_type(cls, value: object) -> object:
        if isinstance(value, dict) and value.get("type") not in (None, "custom"):
            raise ValueError(ONLY_CUSTOM_TOOLS)
        return value

    def to_chat(self) -> dict[str, JSON]:
        function = self.model_dump(exclude_none=True, include={"name", "description", "strict"})
        return {"type": "function", "function": function | {"parameters": {"type": "object"} | self.input_schema}}


class ToolChoice(RequestModel):
    type: Literal["auto", "any", "tool", "none"]
    name: Name | None = None
    disable_parallel_tool_use: bool | None = None

    @model_validator(mode="after")
    def _check_name(self) -> "ToolChoice":
        if self.type == "tool" and self.name is None:
            raise ValueError("type tool needs the name of the tool")
        return self

    def to_chat(self) -> JSON:
        if self.type == "tool":
            return {"type": "function", "function": {"name": self.name}}
        return "required" if self.type == "any" else self.type


class Thinking(OpenModel):
    """Whether the model thinks. `adaptive` and `between_tools` leave it to the model."""

    type: Literal["enabled", "disabled", "adaptive", "between_tools"]
    budget_tokens: Annotated[int, Field(ge=1024, lt=2**31)] | None = None
    display: Literal["summarized", "omitted", "updates"] | None = None
    """`omitted`: thinking blocks have no text, only a signature that carries it into the next turn."""

    @model_validator(mode="after")
    def _check_budget(self) -> "Thinking":
        if self.type == "enabled" and self.budget_tokens is None:
            raise ValueError("type enabled needs budget_tokens")
        return self


class OutputFormat(RequestModel):
    type: Literal["json_schema"]
    schema_: Annotated[Schema, Field(alias="schema")]

    def to_chat(self) -> dict[str, JSON]:
        return {"type": "json_schema", "json_schema": {"name": "answer", "schema": self.schema_, "strict": True}}


class OutputConfig(RequestModel):
    effort: Effort | None = None
    format: OutputFormat | None = None
    task_budget: dict[str, JSON] | None = None
    """What Anthropic's models are told of a task's budget: accepted, without effect; `budget` limits a search."""


class Metadata(OpenModel):
    user_id: Annotated[str, Field(max_length=512)] | None = None


class CacheControl(OpenModel):
    """Marks a prefix to be cached. Engines here cache every prefix, so that it has no effect."""

    type: Annotated[str, Field(max_length=64)] = "ephemeral"


class ContextManagement(OpenModel):
    """Edits that Anthropic applies to a long context. None is applied here, and the answer says so."""

    edits: Annotated[list[dict[str, JSON]], Field(max_length=64)] = []

    @field_validator("edits", mode="before")
    @classmethod
    def _accept_null(cls, value: object) -> object:
        return [] if value is None else value
