"""Protocols of what strategies need: an engine, verifiers, a prover. The server and `core.scripted` implement them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol, runtime_checkable

from cogitate.strategies.core.prompt import Prompt
from cogitate.strategies.core.types import Aggregation, Completion, Sampling, TextDelta

OnText = Callable[[TextDelta], None]
"""Called with each new part of the text while it is decoded."""
OnAbort = Callable[[Completion], None]
"""Called at most once, with what was decoded when the caller was cancelled."""


Ability = Literal["continue", "logprobs", "seed", "n"]
"""What not every engine can do: continue a partial answer, report log-probabilities, repeat a seeded decode.

`n`, several answers to one call, only helps remote engines: no strategy needs it.
"""
ABILITIES: frozenset[Ability] = frozenset({"continue", "logprobs", "seed"})
"""The abilities of an engine that can do all that strategies need."""


class SampleFailed(Exception):
    """One decode failed, and the engine goes on: sibling decodes may still succeed."""

    span: int = 0
    """See `Completion.span`."""


class Engine(Protocol):
    """Decodes completions."""

    async def generate(
        self, prompt: Prompt, sampling: Sampling, *, on_text: OnText | None = None, on_abort: OnAbort | None = None
    ) -> Completion:
        """Decode one completion. Cancelling the caller aborts the decode in the engine before it propagates.

        Without `on_text` nothing wakes the event loop until the decode is done. Raises SampleFailed where this decode
        alone is lost; any other exception means that the engine failed.
        """


class Ask(Protocol):
    """Asks the engine's model on behalf of a verifier."""

    async def __call__(
        self,
        prompts: Sequence[Prompt],
        labels: tuple[str, ...] = (),
        *,
        max_tokens: int = 1,
        greedy: bool = False,
    ) -> Sequence[Completion | None]:
        """Return the reply to each prompt, in order; None where it was lost.

        With `labels` it is one greedy token, with the log-probabilities of these labels; else a text of at most
        `max_tokens`, at the client's temperature unless `greedy`. Raises SampleFailed where all are lost.
        """


@dataclass(frozen=True, slots=True)
class Verdict:
    """A verifier's scores of one solution, in [0, 1]: one per step, one for the solution, or none where it failed."""

    steps: tuple[float, ...]
    tokens: int = 0
    """Tokens read by a model of the verifier's own, outside the engine."""
    warnings: tuple[str, ...] = ()
    """What the client should know of how the verdict was reached, or why it was not."""


class Verifier(Protocol):
    """Scores solutions, finished or not."""

    @property
    def logprobs(self) -> int | None:
        """The alternatives per token that it reads from candidates; None: it reads the text alone."""

    @property
    def needs(self) -> frozenset[Ability]:
        """The abilities that it needs of the engine."""

    @property
    def compares(self) -> bool:
        """Whether its scores only rank the solutions of one call against each other."""

    @property
    def is_pure(self) -> bool:
        """Whether a verdict is a function of the one solution, without decodes and programs: asking twice is free."""

    @property
    def aggregation(self) -> Aggregation:
        """How its step scores are best aggregated into a solution's score."""

    async def judge(self, question: Prompt, solutions: Sequence[Completion], ask: Ask) -> list[Verdict]:
        """Return one verdict per solution, in order. Raises SampleFailed where all are lost."""


@runtime_checkable
class Generative(Protocol):
    """A verifier with a model of its own that writes a rationale before its verdict."""

    def with_rationale(self, tokens: int) -> Verifier:
        """Return this verifier with rationales of at most so many tokens."""


class Prover(Protocol):
    """Decides whether answers are mathematically equal."""

    async def equal(self, a: str, b: str) -> bool:
        """Return whether two canonical answers are equal; False when in doubt or out of time."""
