"""A sample of a bank, and the recipe by which samples are drawn. The fields are the keys of the bank's file."""

from dataclasses import dataclass, field

GREEDY_INDEX = -1
"""The index of a question's one greedy sample."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """How samples are drawn. All samples of a bank have the same recipe."""

    task: str
    model: str
    instruction: str
    """Text that is appended to each question."""
    temperature: float = 0.7
    top_p: float = 1.0
    max_tokens: int = 400
    """Limit per sample."""
    top_logprobs: int = 5
    """Alternatives stored per token, for votes that are weighted by confidence."""
    seed: int = 0
    shots: list[list[str]] = field(default_factory=list)
    """Questions and answers that are shown before each question."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One response to a question."""

    question: str
    """The question's id."""
    index: int
    """Counts a question's samples from 0; GREEDY_INDEX is the greedy one."""
    seed: int
    text: str
    finish: str
    """OpenAI's `finish_reason`."""
    tokens: int
    """Tokens of the response."""
    prompt_tokens: int
    logprobs: list[float] = field(default_factory=list, repr=False)
    """Natural-log probability of each token of the text."""
    top: list[list[float]] = field(default_factory=list, repr=False)
    """[token][alternative]: log-probabilities of each token's likeliest alternatives."""
    asked: str = ""
    """Digest of the question's text; empty in banks of an earlier format."""
