"""The nouns every strategy speaks in. Frozen values, no behaviour beyond copying."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

from cogitate.strategies.answers import Answer
from cogitate.strategies.core.logprobs import TokenLogprob, joint, packed

Aggregation = Literal["last", "min", "prod", "mean"]
"""How the scores of a solution's steps make one."""
Finish = Literal["stop", "length", "abort", "unsure"]
"""unsure: it was ended where it fell below its floor of confidence, and no more was decoded."""
LONGEST_SPEECH = 2048
"""Characters in one stretch of visible text."""
Content = str | tuple[Mapping[str, object], ...] | None


@dataclass(frozen=True, slots=True)
class Message:
    """One turn. `extra` carries what we never read (name, tool_calls, tool_call_id) untouched to the chat template."""

    role: str
    content: Content
    extra: Mapping[str, object] = field(default_factory=dict)

    @property
    def text(self) -> str:
        if isinstance(self.content, tuple):
            return "".join(str(part["text"]) for part in self.content if part.get("type") == "text")
        return self.content or ""

    def plus(self, text: str) -> "Message":
        if isinstance(self.content, tuple):
            return replace(self, content=(*self.content, {"type": "text", "text": text}))
        return replace(self, content=(self.content or "") + text)


@dataclass(frozen=True, slots=True)
class Piece:
    """A stretch of assistant text. With `ids` it is continued by those very tokens, never tokenised again."""

    text: str
    ids: tuple[int, ...] | None = None


@dataclass(frozen=True, slots=True)
class Prompt:
    """A conversation, and the start of the assistant's turn where it is already written."""

    messages: tuple[Message, ...]
    pieces: tuple[Piece, ...] = ()
    asked: str | None = None
    """The question without the instructions we added."""
    raw: str | tuple[int, ...] | None = None
    """A text, or its tokens, to be continued as it stands, in place of messages."""

    @property
    def question(self) -> str:
        """The text of the last user message: what verifiers and extraction are told the question is."""
        if self.asked is not None:
            return self.asked
        if self.raw is not None:
            return self.raw if isinstance(self.raw, str) else ""
        return next((m.text for m in reversed(self.messages) if m.role == "user"), "")

    @property
    def prefix(self) -> str:
        return "".join(piece.text for piece in self.pieces)

    def instruct(self, text: str) -> "Prompt":
        """The same conversation with `text` at the end of its last user message; the question stays what it was."""
        if isinstance(self.raw, str):
            return replace(self, raw=self.raw + text, asked=self.question)
        at = max((at for at, message in enumerate(self.messages) if message.role == "user"), default=None)
        if not text or at is None:
            return self
        instructed = (*self.messages[:at], self.messages[at].plus(text), *self.messages[at + 1 :])
        return replace(self, messages=instructed, asked=self.question)

    def say(self, text: str) -> "Prompt":
        """The same with `text` put into the assistant's mouth."""
        return replace(self, pieces=(*self.pieces, Piece(text)))


@dataclass(frozen=True, slots=True)
class Speech:
    """A stretch of visible text as it is decoded: of the answer, or of the reasoning that the engine keeps apart."""

    text: str
    reasoning: bool = False

    def plus(self, more: "Speech") -> "Speech | None":
        """Both as one; None where they are of two kinds, or enough for one."""
        alike = self.reasoning == more.reasoning and len(self.text) < LONGEST_SPEECH
        return Speech(self.text + more.text, self.reasoning) if alike else None


@dataclass(frozen=True, slots=True)
class Call:
    """A tool call, as the engine's parser read it. `arguments` is JSON as the model wrote it."""

    name: str
    arguments: str


@dataclass(frozen=True, slots=True)
class Floor:
    """How confident a sample must be to go on, over any so many tokens in a row (DeepConf, arXiv:2508.15260)."""

    confidence: float
    window: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Sampling:
    """What strategies decide of a decode. The client's other fields are merged in by the engine it is bound to."""

    max_tokens: int | None = None
    """Per completion; None: what the context leaves."""
    temperature: float | None = None
    """None: the engine's default."""
    stop: tuple[str, ...] = ()
    """Added to the client's own; kept at the end of the text, so that a step ends with its separator."""
    until: str | None = None
    """A tag that ends it and is no part of it, where it is one token of the model's."""
    seed: int | None = None
    logprobs: int | None = None
    """Alternatives reported per token; 0: the chosen token's log-probability alone; None: nothing."""
    labels: tuple[str, ...] = ()
    """Log-probabilities of exactly these next tokens are reported (a one-token verdict)."""
    auxiliary: bool = False
    """Our own question to the model (verdict, extraction): the client's grammar, tools, stops and biases stay out."""
    continued: bool = False
    """Decoding may go on from this text: an engine that tells its tokens only when asked to must ask for them."""
    bound: bool = False
    """The client says what the text may hold, or where it ends: no words of ours may follow it."""
    floor: Floor | None = None
    """The engine ends the sample, as unsure, where it falls below this. Needs logprobs."""
    together: bool = False
    """Others just like it begin with it, and all are waited for: an engine that is far away may fetch them at once."""
    partial: bool = False
    """What an abort leaves behind will be read: an engine that sees a decode grow only if it asks to must ask."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Completion:
    """One decode. It carries its prompt, so lists of prompts and results can never fall out of step."""

    prompt: Prompt
    text: str
    finish: Finish
    index: int = 0
    """Its number among the request's decodes, in the order they were asked for."""
    stopped_by: str | None = None
    """The stop string or tag that ended it; None at the model's own end of turn, at a length limit and at an abort."""
    thinking: bool = False
    """It ends within the model's own thinking, as its tokens tell; told where it was decoded up to a tag."""
    token_ids: tuple[int, ...] = ()
    """The decoded tokens without the end-of-turn token; empty where the engine does not tell."""
    prompt_tokens: int = 0
    completion_tokens: int = 0
    """Every token decoded, the end-of-turn token included."""
    cached_tokens: int | None = None
    """How many of prompt_tokens came from the engine's prefix cache; None where it did not tell."""
    logprobs: Sequence[TokenLogprob] = ()
    """Packed."""
    labels: Mapping[str, float] = field(default_factory=dict)
    content: str | None = None
    """What the engine's parsers left of the text as its answer, reasoning and calls taken out; None: all of it."""
    calls: tuple[Call, ...] = ()
    counted: bool = True
    """False where the engine could not tell how many tokens it decoded: an upstream that was not asked to stream."""
    native: object = field(default=None, repr=False, compare=False)
    """The engine's own record of it, for that engine to present."""
    mean_logprob: float | None = field(init=False, repr=False, compare=False)
    """Length-normalised log-probability, None where no logprobs were asked for. Once: votes are ranked by it."""

    def __post_init__(self) -> None:
        logprobs = packed(self.logprobs)
        object.__setattr__(self, "logprobs", logprobs)
        object.__setattr__(self, "mean_logprob", logprobs.mean)

    @property
    def path(self) -> Prompt:
        """The prompt with this text written: where a step-wise search goes next."""
        return replace(self.prompt, pieces=(*self.prompt.pieces, Piece(self.text, self.token_ids or None)))

    @property
    def ended(self) -> bool:
        """The model finished its turn by itself."""
        return self.finish == "stop" and self.stopped_by is None

    @property
    def standing(self) -> "Completion":
        """A step behind which others were to come, as an answer: it was cut off there."""
        return replace(self, finish="length", stopped_by=None) if self.finish == "stop" and self.stopped_by else self

    @property
    def cut(self) -> bool:
        """It was stopped by us, before an end of its own or of its limit."""
        return self.finish in ("abort", "unsure")


def joined(steps: Sequence[Completion]) -> Completion:
    """The steps of one path as the single completion they spell."""
    if len(steps) == 1:
        return steps[0]
    return replace(
        steps[-1],
        prompt=steps[0].prompt,
        text="".join(step.text for step in steps),
        token_ids=tuple(token for step in steps for token in step.token_ids),
        logprobs=joint(packed(step.logprobs) for step in steps),
        prompt_tokens=steps[0].prompt_tokens,
        completion_tokens=sum(step.completion_tokens for step in steps),
        cached_tokens=steps[0].cached_tokens,
        content=None,
        counted=all(step.counted for step in steps),
        native=None,
    )


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a strategy would answer with."""

    completion: Completion
    answer: Answer | None = None
    score: float | None = None
    """The verifier's, in [0, 1]."""
    agreement: float | None = None
    """The share of finished candidates that gave this answer, in [0, 1]."""
    others: tuple["Outcome", ...] = ()
    """The other candidates, the next best first."""
