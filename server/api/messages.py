"""The messages of a chat as they come over the wire, closed and bounded. Nothing is fetched: images come inline."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, field_validator, model_validator

from strategies.types import Message

Text = Annotated[str, Field(max_length=1_000_000)]
Name = Annotated[str, Field(min_length=1, max_length=256)]


class Wire(BaseModel):
    """Refuses what it does not know, and numbers that are no numbers."""

    model_config = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False, frozen=True)


def _named(value: object) -> object:
    """A strategy by its name alone is that strategy with its defaults."""
    return {"name": value} if isinstance(value, str) else value


ChosenStrategy = Annotated[dict[str, Any], BeforeValidator(_named)]


class FunctionCall(Wire):
    name: Name
    arguments: Text


class ToolCall(Wire):
    id: Annotated[str, Field(max_length=256)]
    type: Literal["function"] = "function"
    function: FunctionCall


class Url(Wire):
    url: Annotated[str, Field(max_length=20_000_000)]
    detail: Literal["auto", "low", "high"] | None = None

    @field_validator("url")
    @classmethod
    def _inline(cls, url: str) -> str:
        if not url.startswith("data:"):
            raise ValueError("only data: URLs are read; this server fetches nothing")
        return url


class TextPart(Wire):
    type: Literal["text"]
    text: Text


class ImagePart(Wire):
    type: Literal["image_url"]
    image_url: Url


Part = Annotated[TextPart | ImagePart, Field(discriminator="type")]


class ChatMessage(Wire):
    role: Literal["system", "developer", "user", "assistant", "tool"]
    content: Text | Annotated[list[Part], Field(min_length=1, max_length=1024)] | None = None
    name: Name | None = None
    tool_calls: Annotated[list[ToolCall], Field(max_length=128)] | None = None
    tool_call_id: Annotated[str, Field(max_length=256)] | None = None
    refusal: Text | None = None
    reasoning: Text | None = None
    reasoning_content: Text | None = None

    @model_validator(mode="after")
    def _says_something(self) -> "ChatMessage":
        if self.content is None and not (self.role == "assistant" and (self.tool_calls or self.refusal)):
            raise ValueError(f"a {self.role} message needs content")
        return self

    def message(self) -> Message:
        wire = self.model_dump(exclude_none=True)
        content = wire.pop("content", None)
        return Message(wire.pop("role"), tuple(content) if isinstance(content, list) else content, wire)
