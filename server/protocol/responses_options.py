"""Nested options of a Responses request, with their conversion to chat fields."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from cogitate.server.protocol.chat import StreamOptions as ChatStreamOptions
from cogitate.server.protocol.messages import Name, OpenModel, RequestModel, Text, reject

JSON = Any


class FunctionTool(OpenModel):
    type: Literal["function"]
    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9_.-]{1,64}$")]
    description: Text | None = None
    parameters: dict[str, JSON] | None = None
    strict: bool | None = None


class ToolChoice(RequestModel):
    type: Literal["function"]
    name: Name

    def to_chat(self) -> Mapping[str, JSON]:
        return {"type": self.type, "function": {"name": self.name}}


class Format(RequestModel):
    type: Literal["text", "json_object", "json_schema"]
    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,64}$")] | None = None
    description: Text | None = None
    schema_: Annotated[dict[str, JSON] | None, Field(alias="schema")] = None
    strict: bool | None = None

    @model_validator(mode="after")
    def _check_fields(self) -> "Format":
        given = self.model_dump(exclude_none=True, exclude={"type"})
        if self.type == "json_schema" and not {"name", "schema_"} <= set(given):
            raise ValueError("type json_schema needs name and schema")
        if self.type != "json_schema" and given:
            raise ValueError(f"type {self.type} takes no other fields: omit them")
        return self

    def to_chat(self) -> Mapping[str, JSON]:
        schema = self.model_dump(exclude_none=True, exclude={"type"}, by_alias=True)
        return {"type": self.type, **({"json_schema": schema} if schema else {})}


class TextOptions(RequestModel):
    format: Format | None = None
    verbosity: Annotated[None, reject("no model served here has such a setting: ask for it in the instructions")] = None


class ReasoningOptions(RequestModel):
    effort: Literal["none", "minimal", "low", "medium", "high", "xhigh", "max"] | None = None
    summary: Literal["auto", "concise", "detailed"] | None = None
    """As in vLLM: the answer holds the reasoning itself, and no summary."""


class StreamOptions(ChatStreamOptions):
    include_usage: Annotated[bool | None, reject("the last event always has the usage: omit it")] = None
    continuous_usage_stats: Annotated[bool | None, reject("usage is sent once, in the last event: omit it")] = None
