"""What a bank holds: samples, and how they were made."""

from dataclasses import dataclass, field

GREEDY = -1
"""The index of a question's one greedy sample."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """How the samples of a bank are made. A bank holds samples of one recipe only."""

    task: str
    model: str
    instruction: str
    temperature: float = 0.7
    top_p: float = 1.0
    max_tokens: int = 400
    top_logprobs: int = 5
    """Alternatives kept per token, for votes weighted by confidence."""
    seed: int = 0
    shots: list[list[str]] = field(default_factory=list)
    """Questions and answers that are shown before each question."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    question: str
    """The question's id."""
    index: int
    seed: int
    text: str
    finish: str
    tokens: int
    prompt_tokens: int
    logprobs: list[float] = field(default_factory=list, repr=False)
    """Of each token of the text."""
    top: list[list[float]] = field(default_factory=list, repr=False)
    """For each token, those of its best alternatives."""
    asked: str = ""
    """A digest of the question's text; empty: not known, the bank is an older one."""
