"""Input items of a Responses request, bounded, with their conversion to parts of chat messages.

Tags of unions are in brackets: `validation` leaves those out of the path that an error names.
"""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal

from pydantic import Discriminator, Field, Tag, field_validator

from cogitate.server.protocol.messages import Name, OpenModel, Text, reject

JSON = Any
Id = Annotated[str, Field(max_length=512)]
Status = Literal["in_progress", "completed", "incomplete"]


class InputText(OpenModel):
    type: Literal["input_text"]
    text: Text

    def to_chat(self) -> Mapping[str, JSON]:
        return {"type": "text", "text": self.text}


class InputImage(OpenModel):
    type: Literal["input_image"]
    image_url: Annotated[str, Field(max_length=20_000_000)]
    detail: Literal["auto", "low", "high"] | None = None

    @field_validator("image_url")
    @classmethod
    def _check_inline(cls, url: str) -> str:
        if not url.startswith("data:"):
            raise ValueError("only data: URLs are supported, since this server fetches nothing: send the image inline")
        return url

    def to_chat(self) -> Mapping[str, JSON]:
        detail = {"detail": self.detail} if self.detail else {}
        return {"type": "image_url", "image_url": {"url": self.image_url, **detail}}


class OutputText(OpenModel):
    type: Literal["output_text"]
    text: Text
    annotations: Annotated[list[JSON], Field(max_length=0)] | None = None
    logprobs: Annotated[list[JSON], Field(max_length=2**20)] | None = None
    """Of an earlier answer; ignored."""


class ReasoningText(OpenModel):
    type: Literal["reasoning_text", "summary_text"]
    text: Text


def _tag(value: object) -> str:
    kind = value.get("type", "message") if isinstance(value, dict) else None
    if kind == "message" and isinstance(value, dict) and value.get("role") == "assistant":
        kind = "assistant"
    return f"[{kind}]"


def _one_of(*names: str) -> Discriminator:
    return Discriminator(
        _tag, custom_error_type="unknown_kind", custom_error_message=f"its type must be one of {', '.join(names)}"
    )


InputPart = Annotated[
    Annotated[InputText, Tag("[input_text]")] | Annotated[InputImage, Tag("[input_image]")],
    _one_of("input_text", "input_image"),
]
Parts = Annotated[list[InputPart], Field(min_length=1, max_length=1024)]


class InputMessage(OpenModel):
    type: Literal["message"] = "message"
    role: Literal["user", "system", "developer"]
    content: Text | Parts
    id: Id | None = None
    status: Status | None = None


class OutputMessage(OpenModel):
    """An answer of the assistant. As the last item, with an unfinished status, it is continued."""

    type: Literal["message"] = "message"
    role: Literal["assistant"]
    content: Text | Annotated[list[OutputText], Field(max_length=1024)] = ""
    id: Id | None = None
    status: Status | None = None

    @property
    def text(self) -> str:
        return self.content if isinstance(self.content, str) else join_text(self.content)


class FunctionCall(OpenModel):
    type: Literal["function_call"]
    call_id: Annotated[str, Field(max_length=256)]
    name: Name
    arguments: Text
    id: Id | None = None
    status: Status | None = None

    def to_chat(self) -> Mapping[str, JSON]:
        function = {"name": self.name, "arguments": self.arguments}
        return {"id": self.call_id, "type": "function", "function": function}


class FunctionCallOutput(OpenModel):
    type: Literal["function_call_output"]
    call_id: Annotated[str, Field(max_length=256)]
    output: Text | Parts
    id: Id | None = None
    status: Status | None = None


class Reasoning(OpenModel):
    """Reasoning before the assistant's next item: read from `content`, or from `summary` where `content` is empty."""

    type: Literal["reasoning"]
    summary: Annotated[list[ReasoningText], Field(max_length=1024)] = []
    content: Annotated[list[ReasoningText], Field(max_length=1024)] = []
    id: Id | None = None
    status: Status | None = None
    encrypted_content: Annotated[None, reject("encrypted reasoning cannot be read here: send it as content")] = None

    @property
    def text(self) -> str:
        return join_text(self.content or self.summary)


Item = Annotated[
    Annotated[InputMessage, Tag("[message]")]
    | Annotated[OutputMessage, Tag("[assistant]")]
    | Annotated[FunctionCall, Tag("[function_call]")]
    | Annotated[FunctionCallOutput, Tag("[function_call_output]")]
    | Annotated[Reasoning, Tag("[reasoning]")],
    _one_of("message", "function_call", "function_call_output", "reasoning"),
]


def join_text(parts: Sequence[OutputText | ReasoningText]) -> str:
    return "".join(part.text for part in parts)
