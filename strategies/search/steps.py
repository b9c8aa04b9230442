"""Partial solutions, and how step-wise searches extend, score and rank them."""

import sys
from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager, nullcontext
from dataclasses import dataclass, replace
from functools import partial
from typing import ClassVar, Self

from pydantic import Field, model_validator

from cogitate.strategies.core.joining import join_steps
from cogitate.strategies.core.ports import Ability, SampleFailed
from cogitate.strategies.core.prompt import Prompt
from cogitate.strategies.core.run import OnEnd, Run
from cogitate.strategies.core.types import Completion, Outcome
from cogitate.strategies.search.branches import is_branch_of, name_branches
from cogitate.strategies.verifiers.options import VerifierOptions
from cogitate.strategies.verifiers.programmatic import STEP_SEPARATOR
from cogitate.strategies.voting.ballot import Ballot, mean_available, ranking, score_of


@dataclass(frozen=True, slots=True)
class Path:
    """A partial solution; empty at the root."""

    prompt: Prompt
    solution: Completion | None = None
    done: bool = False
    score: float | None = None
    """None before the first verdict."""

    @property
    def text(self) -> str:
        """The text of the solution so far."""
        return self.solution.text if self.solution else ""

    @property
    def score_or_prior(self) -> float:
        """The score; 0.5 where there is none."""
        return 0.5 if self.score is None else self.score

    @property
    def is_cut_off(self) -> bool:
        """Whether it ended at a limit, before its own end."""
        return self.solution is not None and self.solution.finish == "length"

    @property
    def answer(self) -> Completion | None:
        """The solution as it would be returned: an unfinished one counts as truncated."""
        return self.solution if self.done or not self.solution else self.solution.as_final_answer

    def extend(self, step: Completion, limit: int | None) -> "Path":
        """Return this path with one more step.

        The path is done unless the step ends with the separator. It is truncated where `limit` tokens are used up, or
        where a second blank step follows the first.
        """
        solution = join_steps([self.solution, step]) if self.solution else step
        continues, exhausted = (
            step.stopped_by == STEP_SEPARATOR,
            limit is not None and solution.completion_tokens >= limit,
        )
        if continues and (exhausted or (not step.text.strip() and self.ends_blank)):
            solution, continues = replace(solution, finish="length", stopped_by=None), False
        return replace(self, prompt=step.continuation, solution=solution, done=not continues)

    @property
    def ends_blank(self) -> bool:
        """Whether the last step is blank."""
        return bool(self.solution) and (not self.text.strip() or self.text.endswith(2 * STEP_SEPARATOR))

    def with_score(self, score: float | None, fallback: float | None) -> "Path":
        """Return the path with a new score; without one it keeps its own, or take `fallback`."""
        own = fallback if self.score is None else self.score
        return replace(self, score=own if score is None else score)

    def remaining_tokens(self, limit: int | None) -> int | None:
        """The tokens of `limit` that this path has not used; None for no limit."""
        return limit if limit is None or not self.solution else limit - self.solution.completion_tokens


class StepwiseOptions(VerifierOptions):
    """The options of step-wise searches."""

    temperature: ClassVar[float] = 0.8
    version: ClassVar[int] = VerifierOptions.version + 1
    stepwise: ClassVar[bool] = True

    n: int
    max_steps: int = Field(default=40, ge=1, le=256, description="Maximum number of steps per answer.")
    speculate: bool = Field(
        default=False,
        description="While the last paths of a step are decoded, start the next steps of those that have ended. The "
        "answer stays the same; the steps of paths that are then not retained are dropped, and counted as aborted. Not "
        "with more than 32 paths at once.",
    )

    @property
    def candidates(self) -> int:
        return self.n

    @property
    def needs(self) -> frozenset[Ability]:
        return frozenset({"continue"})

    def cost(self, max_tokens: int) -> int:
        """Every answer at full length, as much again for pruned paths, and one verdict for each step."""
        return self.n * (2 * max_tokens + self.max_steps * max(1, self.verdict_tokens(1)))

    def spare_cost(self, max_tokens: int) -> int:
        """As many steps that were started early and dropped as make every answer at full length."""
        return self.n * max_tokens if self.speculate else 0

    def speculation(self, run: Run) -> AbstractAsyncContextManager[None]:
        """Lets steps start early in the block, beyond the tokens of a search without."""
        limit = run.request.sampling.max_tokens
        cost = sys.maxsize if limit is None else self.cost(limit)
        return run.early.open(cost) if self.speculate else nullcontext()

    async def expand(
        self,
        paths: Sequence[Path],
        run: Run,
        *,
        last: bool,
        lookahead: int = 0,
        sweep: int = 0,
        on_end: OnEnd | None = None,
    ) -> list[Path | None]:
        """Extends each path by one step and scores it, in order; None where the step was lost.

        Each text is judged once. A path that adds no text, or whose verdict was lost, keeps its score. With `lookahead`
        each path is judged together with that many greedy steps beyond it, which are then dropped. `sweep`: the number
        of the sweep that the step belongs to, of searches that extend one text more than once. `on_end`: as in
        `Run.generate_each`.
        """
        texts = [path.text for path in paths]
        names = name_branches(texts, last=last, sweep=sweep)
        is_needed = partial(is_branch_of, names, sweep, {*texts})
        # Steps beyond this one that still run would take slots of this one's.
        run.early.retain(lambda name: name in names or (is_needed(name) and run.early.find(name) is not None))
        extended = await extend_paths(paths, run, last=last, names=names, on_end=on_end)
        pairs = zip(paths, extended, strict=True)
        changed = {path.text: path for old, path in pairs if path and path.text.strip() != old.text.strip()}
        rolled_out = await roll_out(list(changed.values()), run, lookahead)
        solutions = [path.solution for path in rolled_out if path.solution]
        scores = dict(zip(changed, await run.score(self.verifiers[0], solutions, self.aggregation), strict=True))
        return [path and path.with_score(scores.get(path.text), mean_available(scores.values())) for path in extended]


class BranchingOptions(StepwiseOptions):
    """The options of searches that give each path several children; n is a multiple of `width`."""

    n: int = Field(default=8, ge=1, le=256, description="Leaves explored in total (N in the papers).")
    width: int = Field(default=4, ge=1, le=64, description="Children of each retained path (M in the papers).")

    @model_validator(mode="after")
    def _check_width(self) -> Self:
        if self.n % self.width:
            raise ValueError(f"n must be a multiple of width: {self.n} is not a multiple of {self.width}")
        return self

    @property
    def single(self) -> Mapping[str, object]:
        return {"n": 1, "width": 1}

    @property
    def min_candidates(self) -> int:
        return self.width


def stop_of(*, last: bool) -> str | None:
    """Return where a step ends; the last one runs to the end of the answer."""
    return None if last else STEP_SEPARATOR


async def extend_paths(
    paths: Sequence[Path],
    run: Run,
    *,
    last: bool,
    names: Sequence[str],
    greedy: bool = False,
    on_end: OnEnd | None = None,
) -> list[Path | None]:
    """Decode one more step for each path; the last step runs to the end of the answer.

    Raises SampleFailed where all first steps were lost; later losses give None.
    """
    limit = run.request.sampling.max_tokens
    limits = [path.remaining_tokens(limit) for path in paths]
    try:
        steps = await run.generate_each(
            [path.prompt for path in paths],
            role="step",
            max_tokens=limits,
            greedy=greedy,
            stop=stop_of(last=last),
            branches=names,
            on_end=on_end,
        )
    except SampleFailed:
        if not any(path.solution for path in paths):
            raise
        return [None] * len(paths)
    return [path.extend(step, limit) if step else None for path, step in zip(paths, steps, strict=True)]


async def roll_out(paths: Sequence[Path], run: Run, steps: int) -> list[Path]:
    """Return the paths, each extended by up to `steps` greedy steps."""
    rolled = list(paths)
    for _ in range(steps):
        unfinished = [index for index, path in enumerate(rolled) if not path.done]
        if not unfinished:
            break
        paths = [rolled[index] for index in unfinished]
        names = name_branches([path.text for path in paths], last=False)
        extended = await extend_paths(paths, run, last=False, names=names, greedy=True)
        for index, path in zip(unfinished, extended, strict=True):
            rolled[index] = path or replace(rolled[index], done=True)
    return rolled


async def select_best(paths: Sequence[Path], run: Run) -> Outcome:
    """Return the path with the highest score, with the rest as alternatives."""
    top = ranking(Outcome(path.answer, score=path.score) for path in paths if path.answer)
    return replace(top, answer=await run.read(top.completion))


async def elect_answer(paths: Sequence[Path], run: Run, *, weighted: bool) -> Outcome:
    """Return the answer with the highest sum of scores (`weighted`) or the best path, with the rest as alternatives.

    Each text is read once.
    """
    solutions = {path.text: path.answer for path in paths if path.answer}
    answers = {text: await run.read(solution) for text, solution in solutions.items()}
    outcomes = [Outcome(path.answer, answers[path.text], path.score) for path in paths if path.answer]
    return Ballot.of(outcomes).ranking(score_of) if weighted else ranking(outcomes)
