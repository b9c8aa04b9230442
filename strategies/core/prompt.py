"""A conversation and the beginning of its answer: what a strategy has an engine continue. Frozen."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

Content = str | tuple[Mapping[str, object], ...] | None


@dataclass(frozen=True, slots=True)
class Message:
    """One turn of a conversation.

    `extra` holds fields that go to the chat template unread: name, tool_calls, tool_call_id.
    """

    role: str
    content: Content
    extra: Mapping[str, object] = field(default_factory=dict)

    @property
    def text(self) -> str:
        """The content's text parts."""
        if isinstance(self.content, tuple):
            return "".join(str(part["text"]) for part in self.content if part.get("type") == "text")
        return self.content or ""

    def with_text(self, text: str) -> "Message":
        """Return this message with `text` appended."""
        if isinstance(self.content, tuple):
            return replace(self, content=(*self.content, {"type": "text", "text": text}))
        return replace(self, content=(self.content or "") + text)


@dataclass(frozen=True, slots=True)
class Segment:
    """A part of the assistant's turn. With `ids` it is continued by exactly these tokens, without tokenising again."""

    text: str
    ids: tuple[int, ...] | None = None


@dataclass(frozen=True, slots=True)
class Prompt:
    """A conversation, and the beginning of the assistant's turn where that is given."""

    messages: tuple[Message, ...]
    segments: tuple[Segment, ...] = ()
    original_question: str | None = None
    """The question without the instructions that a strategy added; None: the last user message."""
    raw: str | tuple[int, ...] | None = None
    """Text, or its token ids, to be continued verbatim in place of messages."""
    model: str = ""
    """The name of the model that answers it, and whatever continues the answer; empty: the request's own."""
    parent: int | None = field(default=None, compare=False)
    """The index of the decode whose text its answer continues, revises or judges; of several, the first."""

    @property
    def question(self) -> str:
        """The question as verifiers and answer extraction see it: the text of the last user message."""
        if self.original_question is not None:
            return self.original_question
        if self.raw is not None:
            return self.raw if isinstance(self.raw, str) else ""
        return next((m.text for m in reversed(self.messages) if m.role == "user"), "")

    @property
    def prefix(self) -> str:
        """The text of the assistant's turn so far."""
        return "".join(segment.text for segment in self.segments)

    def instruct(self, text: str) -> "Prompt":
        """Return this prompt with `text` appended to its last user message; `question` stays the same."""
        if isinstance(self.raw, str):
            return replace(self, raw=self.raw + text, original_question=self.question)
        at = max((at for at, message in enumerate(self.messages) if message.role == "user"), default=None)
        if not text or at is None:
            return self
        instructed = (*self.messages[:at], self.messages[at].with_text(text), *self.messages[at + 1 :])
        return replace(self, messages=instructed, original_question=self.question)

    def to_model(self, name: str) -> "Prompt":
        """Return this prompt for another model, where `name` is not empty."""
        return replace(self, model=name) if name else self

    def with_parent(self, index: int) -> "Prompt":
        """Return this prompt for a text that revises or judges the decode `index`."""
        return replace(self, parent=index)

    def prefill(self, text: str) -> "Prompt":
        """Return this prompt with `text` appended to the assistant's turn."""
        return replace(self, segments=(*self.segments, Segment(text)))
