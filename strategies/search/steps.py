"""Partial solutions: what the step-wise searches extend by a step, score, and answer with."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar, Self

from pydantic import Field, model_validator

from cogitate.strategies.core.ports import Ability, SampleFailed
from cogitate.strategies.core.run import Run
from cogitate.strategies.core.types import Completion, Outcome, Prompt, joined
from cogitate.strategies.verifiers.options import Verified
from cogitate.strategies.voting.ballot import Ballot, ranking, score_of, usual

STEP = "\n\n"


@dataclass(frozen=True, slots=True)
class Path:
    """A partial solution; none yet at the root."""

    prompt: Prompt
    solution: Completion | None = None
    done: bool = False
    score: float | None = None
    """None where no verdict is known."""

    @property
    def text(self) -> str:
        return self.solution.text if self.solution else ""

    @property
    def worth(self) -> float:
        """Its score; without one it is as likely right as wrong."""
        return 0.5 if self.score is None else self.score

    @property
    def answer(self) -> Completion | None:
        """The solution as it would be served: one that goes on was cut off."""
        return self.solution if self.done or not self.solution else self.solution.standing

    def extended(self, step: Completion, limit: int | None) -> "Path":
        """This path and one more step. It is done unless that ends with the separator; one blank step may follow it.

        It is cut off where its tokens are used up, or a second blank step follows.
        """
        solution = joined([self.solution, step]) if self.solution else step
        goes_on, used_up = step.stopped_by == STEP, limit is not None and solution.completion_tokens >= limit
        if goes_on and (used_up or (not step.text.strip() and self.stands_still)):
            solution, goes_on = replace(solution, finish="length", stopped_by=None), False
        return replace(self, prompt=step.path, solution=solution, done=not goes_on)

    @property
    def stands_still(self) -> bool:
        """Its last step said nothing."""
        return bool(self.solution) and (not self.text.strip() or self.text.endswith(2 * STEP))

    def judged(self, score: float | None, usual: float | None) -> "Path":
        """With a new score; without one it keeps its own, or has that which is usual."""
        own = usual if self.score is None else self.score
        return replace(self, score=own if score is None else score)

    def left(self, limit: int | None) -> int | None:
        """The tokens of `limit` that this path has not used."""
        return limit if limit is None or not self.solution else limit - self.solution.completion_tokens


class Stepwise(Verified):
    """The options of the searches over steps."""

    temperature: ClassVar[float] = 0.8
    stepwise: ClassVar[bool] = True

    n: int
    max_steps: int = Field(default=40, ge=1, le=256)

    @property
    def candidates(self) -> int:
        return self.n

    @property
    def needs(self) -> frozenset[Ability]:
        return frozenset({"continue"})

    def cost(self, max_tokens: int) -> int:
        """Every answer at full length, as much again for what is pruned, and a verdict for each step."""
        return self.n * (2 * max_tokens + self.max_steps)

    async def expanded(self, paths: Sequence[Path], run: Run, *, last: bool, lookahead: int = 0) -> list[Path | None]:
        """Each path with one more step and its score, in order; None where the step was lost.

        Each text is judged once; what says nothing new, or whose verdict was lost, keeps the score it had.
        `lookahead`: that many steps that would follow are judged with it, then forgotten.
        """
        grown = await extended(paths, run, last=last)
        pairs = zip(paths, grown, strict=True)
        news = {path.text: path for old, path in pairs if path and path.text.strip() != old.text.strip()}
        seen = await rolled_out(list(news.values()), run, lookahead)
        solutions = [path.solution for path in seen if path.solution]
        scores = dict(zip(news, await run.score(self.verifiers[0], solutions, self.aggregation), strict=True))
        return [path and path.judged(scores.get(path.text), usual(scores.values())) for path in grown]


class Branching(Stepwise):
    """A search that gives each path several children: n is a multiple of `width`."""

    n: int = Field(default=8, ge=1, le=256, description="Leaves explored in all (N in the papers)")
    width: int = Field(default=4, ge=1, le=64, description="Children of each path that is kept (M in the papers)")

    @model_validator(mode="after")
    def _divides(self) -> Self:
        if self.n % self.width:
            raise ValueError(f"n must be a multiple of width, and {self.n} is none of {self.width}")
        return self

    @property
    def fewest(self) -> int:
        return self.width


async def extended(paths: Sequence[Path], run: Run, *, last: bool, greedy: bool = False) -> list[Path | None]:
    """One more step for each path; the last one runs to the end of the answer. Raises a loss of all at the root."""
    limit = run.sampling.max_tokens
    limits = [path.left(limit) for path in paths]
    try:
        steps = await run.steps([path.prompt for path in paths], None if last else STEP, limits, greedy=greedy)
    except SampleFailed:
        if not any(path.solution for path in paths):
            raise
        return [None] * len(paths)
    return [path.extended(step, limit) if step else None for path, step in zip(paths, steps, strict=True)]


async def rolled_out(paths: Sequence[Path], run: Run, steps: int) -> list[Path]:
    """The paths, each as many greedy steps further as it goes."""
    ahead = list(paths)
    for _ in range(steps):
        going = [at for at, path in enumerate(ahead) if not path.done]
        if not going:
            break
        grown = await extended([ahead[at] for at in going], run, last=False, greedy=True)
        for at, path in zip(going, grown, strict=True):
            ahead[at] = path or replace(ahead[at], done=True)
    return ahead


async def best(paths: Sequence[Path], run: Run) -> Outcome:
    """The path with the highest score, the others behind it."""
    top = ranking(Outcome(path.answer, score=path.score) for path in paths if path.answer)
    return replace(top, answer=await run.read(top.completion))


async def elected(paths: Sequence[Path], run: Run, *, weighted: bool) -> Outcome:
    """The answer whose scores add up highest, or the best path; the others behind it. Each text is read once."""
    solutions = {path.text: path.answer for path in paths if path.answer}
    answers = {text: await run.read(solution) for text, solution in solutions.items()}
    outcomes = [Outcome(path.answer, answers[path.text], path.score) for path in paths if path.answer]
    return Ballot.of(outcomes).ranking(score_of) if weighted else ranking(outcomes)
