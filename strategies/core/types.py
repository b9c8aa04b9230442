"""Value types of samples and outcomes. Frozen; no behaviour beyond copying."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

from cogitate.strategies.answers import Answer
from cogitate.strategies.answers.reasoning_tags import strip_reasoning
from cogitate.strategies.core.election import Election
from cogitate.strategies.core.logprobs import TokenLogprob, pack
from cogitate.strategies.core.prompt import Prompt, Segment

Aggregation = Literal["last", "min", "prod", "mean"]
"""How the scores of a solution's steps become one score."""
Finish = Literal["stop", "length", "abort", "unsure"]
"""Why a decode ended. `unsure`: its confidence fell below its threshold."""
MAX_DELTA_CHARACTERS = 2048
"""Adjacent deltas are merged up to this length."""


@dataclass(frozen=True, slots=True)
class TextDelta:
    """New visible text: of the answer, or of the reasoning that the engine separates."""

    text: str
    reasoning: bool = False

    def merge(self, more: "TextDelta") -> "TextDelta | None":
        """Return both as one; None where their kinds differ, or this one is long enough."""
        fits = self.reasoning == more.reasoning and len(self.text) < MAX_DELTA_CHARACTERS
        return TextDelta(self.text + more.text, self.reasoning) if fits else None


@dataclass(frozen=True, slots=True)
class ToolCall:
    """A tool call, as the engine's parser read it. `arguments` is JSON as the model wrote it."""

    name: str
    arguments: str


@dataclass(frozen=True, slots=True)
class ConfidenceThreshold:
    """The least confidence, over any `window` consecutive tokens, at which a sample goes on.

    DeepConf, Fu et al., 2025, arXiv:2508.15260.
    """

    confidence: float
    window: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Sampling:
    """How a strategy wants a decode sampled. The engine adds the client's other fields."""

    max_tokens: int | None = None
    """Per completion; None: up to the context length."""
    temperature: float | None = None
    """None: the engine's default."""
    stop: tuple[str, ...] = ()
    """Added to the client's stop strings, and included in the text, so that a step ends with its separator."""
    until: str | None = None
    """A tag that ends the decode and is excluded from the text, where it is one token of the model."""
    seed: int | None = None
    logprobs: int | None = None
    """Alternatives reported per token; 0: the chosen token's log-probability alone; None: nothing."""
    labels: tuple[str, ...] = ()
    """Report the log-probabilities of exactly these next tokens, for a one-token verdict."""
    auxiliary: bool = False
    """A question of the strategy's own (verdict, extraction), without the client's grammar, tools, stops and biases."""
    needs_token_ids: bool = False
    """The text may be continued: an engine that reports token ids on request only must request them."""
    constrained: bool = False
    """The client restricts what the text may contain or where it ends: a strategy appends no text of its own."""
    confidence_threshold: ConfidenceThreshold | None = None
    """The engine ends the sample, as `unsure`, where its confidence falls below this. Needs logprobs."""
    joinable: bool = False
    """Identical decodes start at once and all are awaited: a remote engine may fetch them in one call."""
    reads_partial: bool = False
    """The text of an aborted decode is read: a remote engine must stream to have it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Completion:
    """One decode. It holds its prompt, so that lists of prompts and of results cannot get out of step."""

    prompt: Prompt
    text: str
    finish: Finish
    index: int = 0
    """Its number among the request's decodes, in the order in which they were requested."""
    stopped_by: str | None = None
    """The stop string or tag that ended it; None at the model's end of turn, at a length limit and at an abort."""
    thinking: bool = False
    """Whether it ends inside the model's thinking, by its tokens; set where it was decoded up to a tag."""
    token_ids: tuple[int, ...] = ()
    """The decoded tokens without the end-of-turn token; empty where the engine does not report them."""
    prompt_tokens: int = 0
    completion_tokens: int = 0
    """All tokens decoded, including the end-of-turn token."""
    cached_tokens: int | None = None
    """Of prompt_tokens, those from the engine's prefix cache; None where it does not report them."""
    logprobs: Sequence[TokenLogprob] = ()
    """Packed: see `Logprobs`."""
    labels: Mapping[str, float] = field(default_factory=dict)
    """The log-probability of each label that the engine reported."""
    content: str | None = None
    """The text without reasoning and tool calls, as the engine's parsers read it; None: the whole text."""
    tool_calls: tuple[ToolCall, ...] = ()
    tokens_known: bool = True
    """False where the engine cannot tell how many tokens it decoded: `completion_tokens` is a lower bound."""
    warnings: tuple[str, ...] = ()
    """What the client should know of how the engine's response was read."""
    reused: bool = False
    """An earlier search drew it: this one decoded nothing for it."""
    span: int = field(default=0, repr=False, compare=False)
    """Of a decode that is traced outside: the id of its span, below which the engine's own spans are; 0: it is not."""
    native: object = field(default=None, repr=False, compare=False)
    """The engine's own record of it, from which that engine builds a response."""
    mean_logprob: float | None = field(init=False, repr=False, compare=False)
    """Length-normalised log-probability; None without logprobs. Computed once, since votes are ranked by it."""
    _has_reply: bool | None = field(default=None, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        logprobs = pack(self.logprobs)
        object.__setattr__(self, "logprobs", logprobs)
        object.__setattr__(self, "mean_logprob", logprobs.mean)

    @property
    def continuation(self) -> Prompt:
        """The prompt that continues this completion: where a step-wise search goes next."""
        segments = (*self.prompt.segments, Segment(self.text, self.token_ids or None))
        return replace(self.prompt, segments=segments, parent=self.index)

    @property
    def has_reply(self) -> bool:
        """Whether it has text outside of its thoughts, or calls. Found out once: a long text takes milliseconds."""
        if self._has_reply is None:
            text = self.text if self.content is None else self.content
            object.__setattr__(self, "_has_reply", bool(self.tool_calls or strip_reasoning(text).strip()))
        return bool(self._has_reply)

    @property
    def is_complete(self) -> bool:
        """Whether the model ended its turn."""
        return self.finish == "stop" and self.stopped_by is None

    @property
    def as_final_answer(self) -> "Completion":
        """The completion as a final answer: a step that more steps would follow was cut off by length."""
        return replace(self, finish="length", stopped_by=None) if self.finish == "stop" and self.stopped_by else self

    @property
    def ends_early(self) -> bool:
        """Whether the strategy stopped it, before its own end or limit."""
        return self.finish in ("abort", "unsure")


@dataclass(frozen=True, slots=True)
class Outcome:
    """An answer that a strategy could return, and the candidates that it ranked below it."""

    completion: Completion
    answer: Answer | None = None
    score: float | None = None
    """The verifier's, in [0, 1]."""
    agreement: float | None = None
    """The share of finished candidates that gave this answer, in [0, 1]."""
    alternatives: tuple["Outcome", ...] = ()
    """The other candidates, best first."""
    election: "Election[Outcome] | None" = field(default=None, compare=False, repr=False)
    """How it was chosen, where others could have been."""
