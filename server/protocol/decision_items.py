"""Input items of a decisions request, as OpenAI's API defines them, with their conversion to evidence.

Messages of users alone are given to the model as vLLM gives them: their texts, one after another. In a conversation
each item has a heading that says whose it is. Marks for OpenAI's prompt cache have no effect: the engine caches every
prefix. Tags of unions are in brackets: `validation` leaves those out of the path that an error names.
"""

import re
from collections.abc import Iterable, Sequence
from typing import Annotated, Any, Literal

import orjson
from pydantic import Discriminator, Field, Tag, field_validator

from cogitate.server.protocol.messages import Name, OpenModel
from cogitate.server.protocol.responses_items import (
    FunctionCall,
    FunctionCallOutput,
    InputImage,
    InputText,
    OutputText,
    Parts,
)
from cogitate.strategies.decisions.prompt import to_text_part
from cogitate.strategies.decisions.question import Part

JSON = Any
ShortText = Annotated[str, Field(max_length=1_048_576)]
InputString = Annotated[str, Field(max_length=10_485_760)]
CallId = Annotated[str, Field(max_length=256)]
MAX_JSON_BYTES = 256 * 1024
MAX_JSON_VALUES = 10_000
MAX_JSON_LEVELS = 32
HEADING = re.compile(r"^\[(?=(?:user|system|developer|assistant|output of call)\b)", re.MULTILINE)
"""The first character of a line that looks like the heading of an item."""


class InputJson(OpenModel):
    """A JSON object, or a list of objects, which the model reads as text."""

    type: Literal["input_json"]
    data: dict[str, JSON] | list[dict[str, JSON]]

    @field_validator("data")
    @classmethod
    def _check_size(cls, data: JSON) -> JSON:
        if len(orjson.dumps(data)) > MAX_JSON_BYTES:
            raise ValueError(f"it is larger than {MAX_JSON_BYTES // 1024} KiB of JSON")
        level, count, depth = [data], 0, 0
        while level:
            count, depth = count + len(level), depth + 1
            nested = [each for each in level if isinstance(each, dict | list) and each]
            level = [item for each in nested for item in (each.values() if isinstance(each, dict) else each)]
        if count > MAX_JSON_VALUES or depth > MAX_JSON_LEVELS:
            raise ValueError(f"it has more than {MAX_JSON_VALUES} values or {MAX_JSON_LEVELS} levels")
        return data

    @property
    def text(self) -> str:
        return orjson.dumps(self.data).decode()


class RefusalText(OpenModel):
    type: Literal["refusal"]
    refusal: ShortText

    @property
    def text(self) -> str:
        return self.refusal


def one_of(*names: str) -> Discriminator:
    """Discriminator of a union by `type`, whose members have tags in brackets."""
    message = f"its type must be one of {', '.join(names)}"
    return Discriminator(tag_by_type, custom_error_type="unknown_kind", custom_error_message=message)


def tag_by_type(value: object) -> str:
    """The kind of a part or an item; of a message the role."""
    if not isinstance(value, dict):
        return f"[{getattr(value, 'role', None) or getattr(value, 'type', None)}]"
    kind = value.get("type", "message")
    if kind != "message":
        return f"[{kind}]"
    return "[system]" if value.get("role") == "developer" else f"[{value.get('role')}]"


AnyPart = Annotated[
    Annotated[InputText, Tag("[input_text]")]
    | Annotated[InputImage, Tag("[input_image]")]
    | Annotated[InputJson, Tag("[input_json]")],
    one_of("input_text", "input_image", "input_json"),
]
AssistantPart = Annotated[
    Annotated[OutputText, Tag("[output_text]")] | Annotated[RefusalText, Tag("[refusal]")],
    one_of("output_text", "refusal"),
]
InputPart = InputText | InputImage | InputJson | OutputText | RefusalText


class DecisionUserMessage(OpenModel):
    type: Literal["message"] = "message"
    role: Literal["user"]
    content: Annotated[list[AnyPart], Field(max_length=16_384)] | InputString


class DecisionSystemMessage(OpenModel):
    type: Literal["message"] = "message"
    role: Literal["system", "developer"]
    content: Annotated[list[InputText], Field(max_length=16_384)] | InputString


class DecisionAssistantMessage(OpenModel):
    type: Literal["message"] = "message"
    role: Literal["assistant"]
    content: Annotated[list[AssistantPart], Field(max_length=16_384)] | InputString
    phase: Literal["commentary", "final_answer"] | None = None


class CustomToolCall(OpenModel):
    type: Literal["custom_tool_call"]
    call_id: CallId
    name: Name
    input: InputString


class CustomToolCallOutput(OpenModel):
    type: Literal["custom_tool_call_output"]
    call_id: CallId
    output: Parts | InputString


Message = DecisionUserMessage | DecisionSystemMessage | DecisionAssistantMessage
Call = FunctionCall | CustomToolCall
Output = FunctionCallOutput | CustomToolCallOutput
Item = Annotated[
    Annotated[DecisionUserMessage, Tag("[user]")]
    | Annotated[DecisionSystemMessage, Tag("[system]")]
    | Annotated[DecisionAssistantMessage, Tag("[assistant]")]
    | Annotated[FunctionCall, Tag("[function_call]")]
    | Annotated[FunctionCallOutput, Tag("[function_call_output]")]
    | Annotated[CustomToolCall, Tag("[custom_tool_call]")]
    | Annotated[CustomToolCallOutput, Tag("[custom_tool_call_output]")],
    Discriminator(
        tag_by_type,
        custom_error_type="unknown_kind",
        custom_error_message="it must be a message of user, system, developer or assistant, a function_call, a "
        "custom_tool_call, or the output of one",
    ),
]
OUTPUT_OF = {"function_call_output": "function_call", "custom_tool_call_output": "custom_tool_call"}


def check_calls(items: Sequence[Item]) -> None:
    """Raises ValueError for an output of a tool without a call of its kind and id before it."""
    calls: set[tuple[str, str]] = set()
    for at, item in enumerate(items):
        if isinstance(item, FunctionCall | CustomToolCall):
            calls.add((item.type, item.call_id))
        elif isinstance(item, FunctionCallOutput | CustomToolCallOutput):
            kind = OUTPUT_OF[item.type]
            if (kind, item.call_id) not in calls:
                raise ValueError(f"the {item.type} at {at} has no {kind} with its call_id before it")


def to_evidence(source: str | Sequence[Item]) -> list[Part]:
    """Convert the input to parts of text and images."""
    if isinstance(source, str):
        return [to_text_part(source)]
    is_conversation = not all(isinstance(item, DecisionUserMessage) for item in source)
    parts: list[Part] = []
    for at, item in enumerate(source):
        separator = "\n\n" if at else ""
        parts.append(to_text_part(separator + (build_heading(item) if is_conversation else "")))
        content = to_parts(get_content(item))
        parts += map(break_headings, content) if is_conversation else content
    return parts


def build_heading(item: Item) -> str:
    match item:
        case DecisionUserMessage() | DecisionSystemMessage() | DecisionAssistantMessage():
            return f"[{item.role}]\n"
        case FunctionCall() | CustomToolCall():
            return f"[assistant calls {to_line(item.name)}, call {to_line(item.call_id)}]\n"
    return f"[output of call {to_line(item.call_id)}]\n"


def to_line(text: str) -> str:
    return " ".join(text.split())


def break_headings(part: Part) -> Part:
    """Return a part in whose text no line looks like a heading, so that no item can pass for another."""
    return part if part["type"] != "text" else to_text_part(HEADING.sub("(", str(part["text"])))


def get_content(item: Item) -> str | Sequence[InputPart]:
    match item:
        case DecisionUserMessage() | DecisionSystemMessage() | DecisionAssistantMessage():
            return item.content
        case FunctionCall():
            return item.arguments
        case CustomToolCall():
            return item.input
    return item.output


def to_parts(content: str | Iterable[InputPart]) -> list[Part]:
    """Convert a content to parts of text and images; texts begin on lines of their own."""
    if isinstance(content, str):
        return [to_text_part(content)]
    return [
        part.to_chat() if isinstance(part, InputImage) else to_text_part(part.text if at == 0 else f"\n{part.text}")
        for at, part in enumerate(content)
    ]
