"""What strategies need from the world. Adapters in server/ and tests/ implement these."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from cogitate.strategies.core.types import Aggregation, Completion, Prompt, Sampling, TextDelta

OnText = Callable[[TextDelta], None]
"""Called with each new stretch of text as it is decoded."""
OnAbort = Callable[[Completion], None]
"""Called at most once, with what had been decoded when the caller was cancelled."""


Ability = Literal["continue", "logprobs", "seed", "n"]
"""What not every engine can do: go on from a partial answer, report log-probabilities, repeat a seeded decode.

`n`, several answers to one call, is of use to engines that are far away alone: no strategy needs it.
"""
ABILITIES: frozenset[Ability] = frozenset({"continue", "logprobs", "seed"})


class SampleFailed(Exception):
    """One decode went wrong and the engine goes on: its siblings may still answer."""


class Engine(Protocol):
    async def generate(
        self, prompt: Prompt, sampling: Sampling, *, on_text: OnText | None = None, on_abort: OnAbort | None = None
    ) -> Completion:
        """Decode one completion. Cancelling the caller aborts the decode in the engine before the cancel goes on.

        Without `on_text` nothing wakes the event loop until the decode is done. Raises SampleFailed when this decode
        alone is lost; anything else is the engine's own end.
        """


Ask = Callable[[Sequence[Prompt], tuple[str, ...]], Awaitable[Sequence[Completion | None]]]
"""One greedy token after each prompt, in order, with the log-probabilities of the given labels; None where lost."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """A verifier's opinion of one solution: a score in [0, 1] per step; just one for the whole; none at a failure."""

    steps: tuple[float, ...]
    tokens: int = 0
    """Tokens read by a model of the verifier's own, outside the engine."""


class Verifier(Protocol):
    @property
    def logprobs(self) -> int | None:
        """The alternatives per token that candidates must carry to be judged; None: it reads the text alone."""

    @property
    def needs(self) -> frozenset[Ability]:
        """What it asks of the engine."""

    @property
    def compares(self) -> bool:
        """Its scores tell the solutions that it is given at once from each other, and mean nothing beyond."""

    @property
    def aggregation(self) -> Aggregation:
        """How a solution's score is best made of its steps'."""

    async def judge(self, question: Prompt, solutions: Sequence[Completion], ask: Ask) -> list[Verdict]:
        """One verdict per solution, in order. Solutions may be unfinished."""


class Prover(Protocol):
    async def equal(self, a: str, b: str) -> bool:
        """Whether two canonical answers are the same mathematically. False when in doubt or out of time."""
