"""Messages of a chat request, bounded. Images and sound are inline; `planning` decides on addresses.

An answer that is sent back unchanged is valid, as servers write it and as OpenAI's client does. Unknown fields of a
message are accepted without effect, as OpenAI and vLLM do: clients put cache marks, ids and options there.
"""

from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    GetJsonSchemaHandler,
    SerializationInfo,
    SerializerFunctionWrapHandler,
    field_validator,
    model_serializer,
    model_validator,
)
from pydantic.json_schema import JsonSchemaValue

from cogitate.strategies import parse
from cogitate.strategies.core.prompt import Message

Text = Annotated[str, Field(max_length=1_000_000)]
Name = Annotated[str, Field(min_length=1, max_length=256)]


class RequestModel(BaseModel):
    """Base of request models: rejects unknown fields, wrong types, NaN and infinity."""

    model_config = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False, frozen=True)


class NullTolerantModel(RequestModel):
    """Base of input items. A null counts as absent: servers answer with nulls, and clients send answers back."""

    @model_validator(mode="before")
    @classmethod
    def _without_nulls(cls, value: object) -> object:
        return {key: item for key, item in value.items() if item is not None} if isinstance(value, dict) else value


WITH_UNKNOWN_FIELDS = {"unknown_fields": True}
"""Serialization context that includes the fields that are not known here."""


class OpenModel(NullTolerantModel):
    """Base of messages and their parts. Unknown fields are accepted, and dumped only with WITH_UNKNOWN_FIELDS."""

    model_config = ConfigDict(extra="allow")

    @model_serializer(mode="wrap")
    def _leave_unknown_fields_out(
        self, serialize: SerializerFunctionWrapHandler, info: SerializationInfo
    ) -> dict[str, Any]:
        fields: dict[str, Any] = serialize(self)
        if self.model_extra and info.context != WITH_UNKNOWN_FIELDS:
            return {name: value for name, value in fields.items() if name not in self.model_extra}
        return fields


def reject(reason: str) -> BeforeValidator:
    """Validator of a known field that is not supported: null, false and [] are accepted, anything else is an error."""

    def check(value: object) -> None:
        if value is not None and value is not False and value != []:
            raise ValueError(reason)

    return BeforeValidator(check)


def _expand_name(value: object) -> object:
    """A name alone selects the strategy with its default options."""
    return {"name": value} if isinstance(value, str) else value


class _StrategySchema:
    """Documents the field by the options of every strategy; `planning` validates it, where presets are known."""

    def __get_pydantic_json_schema__(self, schema: dict[str, Any], handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        return {"anyOf": [{"type": "string"}, handler(parse.core_schema)]}


StrategyField = Annotated[dict[str, Any], BeforeValidator(_expand_name), _StrategySchema()]


Ignored = Annotated[Any, Field(exclude=True)]
"""A field that clients add when they send an answer back, without effect."""


class FunctionCall(OpenModel):
    name: Name
    arguments: Text
    parsed_arguments: Ignored = None


class ToolCall(OpenModel):
    id: Annotated[str, Field(max_length=256)]
    type: Literal["function"] = "function"
    function: FunctionCall
    index: Ignored = None


MAX_MEDIA_CHARACTERS = 20_000_000


class Url(OpenModel):
    """The URL of an image: its data, or its address where the operator allows the engine to fetch from that domain."""

    url: Annotated[str, Field(max_length=MAX_MEDIA_CHARACTERS)]
    detail: Literal["auto", "low", "high"] | None = None

    @field_validator("url")
    @classmethod
    def _check_scheme(cls, url: str) -> str:
        if not url.startswith(("data:", "http://", "https://")):
            raise ValueError("only data: URLs are supported: send the image inline")
        return url


class Audio(OpenModel):
    """Sound, inline. The engine decides which formats it reads."""

    data: Annotated[str, Field(max_length=MAX_MEDIA_CHARACTERS, pattern="^[A-Za-z0-9+/=_-]*$")]
    """Base64."""
    format: Annotated[str, Field(pattern="^[a-z0-9]{1,16}$")]


class TextPart(OpenModel):
    type: Literal["text"]
    text: Text


class RefusalPart(OpenModel):
    type: Literal["refusal"]
    refusal: Text


class ImagePart(OpenModel):
    type: Literal["image_url"]
    image_url: Url


class AudioPart(OpenModel):
    type: Literal["input_audio"]
    input_audio: Audio


def _refusal_to_text(
    part: TextPart | RefusalPart | ImagePart | AudioPart,
) -> TextPart | ImagePart | AudioPart:
    return TextPart(type="text", text=part.refusal) if isinstance(part, RefusalPart) else part


Part = Annotated[
    Annotated[TextPart | RefusalPart | ImagePart | AudioPart, Field(discriminator="type")],
    AfterValidator(_refusal_to_text),
]
Calls = Annotated[list[ToolCall], Field(max_length=128)]


class ChatMessage(OpenModel):
    role: Literal["system", "developer", "user", "assistant", "tool"]
    content: Text | Annotated[list[Part], Field(min_length=1, max_length=1024)] | None = None
    name: Name | None = None
    tool_calls: Annotated[Calls | None, BeforeValidator(lambda calls: None if calls == [] else calls)] = None
    tool_call_id: Annotated[str, Field(max_length=256)] | None = None
    refusal: Text | None = None
    reasoning: Text | None = None
    reasoning_content: Text | None = None
    parsed: Ignored = None

    # known fields without support
    annotations: Annotated[None, reject("citations are not supported: send the text alone")] = None
    audio: Annotated[None, reject("audio is not supported: send its transcript as content")] = None
    function_call: Annotated[None, reject("OpenAI's older form is not supported: send tool_calls")] = None

    @model_validator(mode="before")
    @classmethod
    def _fill_silent_turn(cls, value: object) -> object:
        """An assistant's turn without content and calls has an empty text: many chat templates need one."""
        if isinstance(value, dict) and value.get("role") == "assistant" and value.get("content") in (None, []):
            return value if value.get("tool_calls") else value | {"content": ""}
        return value

    @model_validator(mode="after")
    def _check_content(self) -> "ChatMessage":
        if self.content is None and self.role != "assistant":
            raise ValueError(f"a {self.role} message needs content")
        return self

    def to_message(self) -> Message:
        fields = self.model_dump(exclude_none=True)
        content = fields.pop("content", None)
        return Message(fields.pop("role"), tuple(content) if isinstance(content, list) else content, fields)
