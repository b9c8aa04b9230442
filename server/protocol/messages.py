"""The messages of a chat as they come over the wire, closed and bounded. Nothing is fetched: images come inline.

An answer that is sent back as it came is one of them, whoever wrote it down: servers, and OpenAI's client.
"""

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, field_validator, model_validator

from cogitate.strategies.core.types import Message

Text = Annotated[str, Field(max_length=1_000_000)]
Name = Annotated[str, Field(min_length=1, max_length=256)]


class RequestModel(BaseModel):
    """Refuses what it does not know, and numbers that are no numbers."""

    model_config = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False, frozen=True)


class NullTolerantModel(RequestModel):
    """A part of the input. A null in it says nothing: servers answer with them, and clients send answers back."""

    @model_validator(mode="before")
    @classmethod
    def _without_nulls(cls, value: object) -> object:
        return {key: said for key, said in value.items() if said is not None} if isinstance(value, dict) else value


def reject(why: str) -> BeforeValidator:
    """For a field that is known and not taken: null, false and an empty list say nothing, and all else is told why."""

    def check(value: object) -> None:
        if value is not None and value is not False and value != []:
            raise ValueError(why)

    return BeforeValidator(check)


def _named(value: object) -> object:
    """A strategy by its name alone is that strategy with its defaults."""
    return {"name": value} if isinstance(value, str) else value


StrategyField = Annotated[dict[str, Any], BeforeValidator(_named)]


Ignored = Annotated[Any, Field(exclude=True)]
"""What clients write beside what they were answered, and what says nothing new."""


class FunctionCall(NullTolerantModel):
    name: Name
    arguments: Text
    parsed_arguments: Ignored = None


class ToolCall(NullTolerantModel):
    id: Annotated[str, Field(max_length=256)]
    type: Literal["function"] = "function"
    function: FunctionCall
    index: Ignored = None


class Url(NullTolerantModel):
    url: Annotated[str, Field(max_length=20_000_000)]
    detail: Literal["auto", "low", "high"] | None = None

    @field_validator("url")
    @classmethod
    def _inline(cls, url: str) -> str:
        if not url.startswith("data:"):
            raise ValueError("only data: URLs are read; this server fetches nothing")
        return url


class TextPart(NullTolerantModel):
    type: Literal["text"]
    text: Text


class RefusalPart(NullTolerantModel):
    type: Literal["refusal"]
    refusal: Text


class ImagePart(NullTolerantModel):
    type: Literal["image_url"]
    image_url: Url


def _read(part: TextPart | RefusalPart | ImagePart) -> TextPart | ImagePart:
    """A refusal is read for its text."""
    return TextPart(type="text", text=part.refusal) if isinstance(part, RefusalPart) else part


Part = Annotated[
    Annotated[TextPart | RefusalPart | ImagePart, Field(discriminator="type")],
    AfterValidator(_read),
]
Calls = Annotated[list[ToolCall], Field(max_length=128)]


class ChatMessage(NullTolerantModel):
    role: Literal["system", "developer", "user", "assistant", "tool"]
    content: Text | Annotated[list[Part], Field(min_length=1, max_length=1024)] | None = None
    name: Name | None = None
    tool_calls: Annotated[Calls | None, BeforeValidator(lambda calls: None if calls == [] else calls)] = None
    tool_call_id: Annotated[str, Field(max_length=256)] | None = None
    refusal: Text | None = None
    reasoning: Text | None = None
    reasoning_content: Text | None = None
    parsed: Ignored = None

    # what no model served here was given, or would be
    annotations: Annotated[None, reject("citations are not read: send the text alone")] = None
    audio: Annotated[None, reject("there is no audio here: send its transcript as content")] = None
    function_call: Annotated[None, reject("it is OpenAI's older form: send tool_calls")] = None

    @model_validator(mode="after")
    def _says_something(self) -> "ChatMessage":
        thought = self.tool_calls or self.refusal or self.reasoning or self.reasoning_content
        if self.content is None and not (self.role == "assistant" and thought):
            raise ValueError(f"a {self.role} message needs content")
        return self

    def to_message(self) -> Message:
        wire = self.model_dump(exclude_none=True)
        content = wire.pop("content", None)
        return Message(wire.pop("role"), tuple(content) if isinstance(content, list) else content, wire)
