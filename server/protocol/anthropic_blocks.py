"""Content blocks of an Anthropic message, bounded. Their unknown fields, such as `cache_control`, have no effect.

Tags of unions are in brackets: `validation` leaves those out of the path that an error names.
"""

import base64
import binascii
from typing import Annotated, Any, Literal

from pydantic import Discriminator, Field, Tag, model_validator

from cogitate.server.protocol.messages import Name, OpenModel, Text

JSON = Any
Id = Annotated[str, Field(min_length=1, max_length=256)]
BILLING_HEADER = "x-anthropic-billing-header"
"""Begins a system block of Claude Code's with a digest of the request, which would defeat every prefix cache."""
OMITTED_THINKING = "omitted."
"""Begins the signature of a thinking block whose text was left out (`thinking.display`), and which carries it."""


def _tag(value: object) -> str:
    return f"[{value.get('type') if isinstance(value, dict) else getattr(value, 'type', None)}]"


def _one_of(*names: str, remedy: str = "") -> Discriminator:
    message = f"its type must be one of {', '.join(names)}{remedy}"
    return Discriminator(_tag, custom_error_type="unknown_kind", custom_error_message=message)


class TextBlock(OpenModel):
    type: Literal["text"]
    text: Text


class Base64Source(OpenModel):
    type: Literal["base64"]
    media_type: Annotated[str, Field(pattern=r"^image/[a-z0-9.+-]{1,32}$")]
    data: Annotated[str, Field(max_length=20_000_000)]


class ImageBlock(OpenModel):
    type: Literal["image"]
    source: Base64Source

    @model_validator(mode="before")
    @classmethod
    def _check_inline(cls, value: object) -> object:
        source = value.get("source") if isinstance(value, dict) else None
        if isinstance(source, dict) and source.get("type") in ("url", "file"):
            raise ValueError("this server fetches nothing: send the image inline, with a source of type base64")
        return value

    def to_chat(self) -> dict[str, JSON]:
        url = f"data:{self.source.media_type};base64,{self.source.data}"
        return {"type": "image_url", "image_url": {"url": url}}


class TextSource(OpenModel):
    type: Literal["text"]
    data: Text


class ContentSource(OpenModel):
    type: Literal["content"]
    content: Text | Annotated[list[TextBlock], Field(max_length=1024)]


class DocumentBlock(OpenModel):
    """A document that is text."""

    type: Literal["document"]
    source: Annotated[
        Annotated[TextSource, Tag("[text]")] | Annotated[ContentSource, Tag("[content]")],
        _one_of("text", "content", remedy=", since no model here reads other documents: send their text"),
    ]
    title: Text | None = None
    context: Text | None = None

    @property
    def text(self) -> str:
        content = self.source.data if isinstance(self.source, TextSource) else self.source.content
        body = content if isinstance(content, str) else "\n".join(block.text for block in content)
        return "\n".join(part for part in (self.title, self.context, body) if part)


class ThinkingBlock(OpenModel):
    type: Literal["thinking"]
    thinking: Text
    signature: Annotated[str, Field(max_length=2_000_000)] = ""

    @property
    def text(self) -> str:
        """The thinking; where its text was omitted, what the signature carries."""
        if self.thinking or not self.signature.startswith(OMITTED_THINKING):
            return self.thinking
        try:
            return base64.b64decode(self.signature.removeprefix(OMITTED_THINKING), validate=True).decode()
        except (binascii.Error, UnicodeDecodeError):
            return ""


class RedactedThinkingBlock(OpenModel):
    """Thinking that only Anthropic can read: accepted, and left out."""

    type: Literal["redacted_thinking"]


class ToolUseBlock(OpenModel):
    type: Literal["tool_use"]
    id: Id
    name: Name
    input: dict[str, JSON]


class ToolReferenceBlock(OpenModel):
    """Names a tool with `defer_loading` that is to be offered from here on."""

    type: Literal["tool_reference"]
    tool_name: Name


ResultBlock = Annotated[
    Annotated[TextBlock, Tag("[text]")]
    | Annotated[ImageBlock, Tag("[image]")]
    | Annotated[DocumentBlock, Tag("[document]")]
    | Annotated[ToolReferenceBlock, Tag("[tool_reference]")],
    _one_of("text", "image", "document", "tool_reference"),
]


class ToolResultBlock(OpenModel):
    type: Literal["tool_result"]
    tool_use_id: Id
    content: Text | Annotated[list[ResultBlock], Field(max_length=1024)] = ""
    is_error: bool = False

    @property
    def blocks(self) -> list[TextBlock | ImageBlock | DocumentBlock | ToolReferenceBlock]:
        return [TextBlock(type="text", text=self.content)] if isinstance(self.content, str) else self.content

    @property
    def text(self) -> str:
        """The text of the result. A chat has no field for a failure, so that it is said in the text."""
        texts = [block.text for block in self.blocks if isinstance(block, TextBlock | DocumentBlock)]
        texts += [f"Loaded tool: {block.tool_name}" for block in self.blocks if isinstance(block, ToolReferenceBlock)]
        return ("Error: " if self.is_error else "") + "\n".join(texts)


Block = Annotated[
    Annotated[TextBlock, Tag("[text]")]
    | Annotated[ImageBlock, Tag("[image]")]
    | Annotated[DocumentBlock, Tag("[document]")]
    | Annotated[ThinkingBlock, Tag("[thinking]")]
    | Annotated[RedactedThinkingBlock, Tag("[redacted_thinking]")]
    | Annotated[ToolUseBlock, Tag("[tool_use]")]
    | Annotated[ToolResultBlock, Tag("[tool_result]")]
    | Annotated[ToolReferenceBlock, Tag("[tool_reference]")],
    _one_of(
        "text",
        "image",
        "document",
        "thinking",
        "redacted_thinking",
        "tool_use",
        "tool_result",
        "tool_reference",
    ),
]


class InputMessage(OpenModel):
    """One turn. A `system` turn may stand anywhere."""

    role: Literal["user", "assistant", "system"]
    content: Text | Annotated[list[Block], Field(max_length=4096)]

    @property
    def blocks(self) -> list[JSON]:
        return [TextBlock(type="text", text=self.content)] if isinstance(self.content, str) else self.content


def join_instructions(blocks: list[JSON]) -> str:
    """Join the texts of system blocks, as vLLM does, without Claude Code's billing header."""
    texts = (block.text for block in blocks if isinstance(block, TextBlock))
    return "".join(text for text in texts if not text.startswith(BILLING_HEADER))


def encode_omitted(thinking: str) -> str:
    """Build the signature of a thinking block whose text is omitted; `ThinkingBlock.text` reads it."""
    return OMITTED_THINKING + base64.b64encode(thinking.encode()).decode()
