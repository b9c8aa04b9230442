"""Runs a strategy under its budget: the only place where a deadline, an empty purse or a last loss is handled."""

import asyncio
from dataclasses import replace
from typing import ClassVar, Protocol

from cogitate.strategies.core.budget import BudgetExhausted
from cogitate.strategies.core.ports import SampleFailed
from cogitate.strategies.core.run import Run
from cogitate.strategies.core.trace import CANDIDATES, Aborted, Finished, Sampled, Spoken, Stopped
from cogitate.strategies.core.types import Outcome, Prompt


class Strategy(Protocol):
    """A frozen value with one coroutine."""

    temperature: ClassVar[float]
    """What its paper samples at, where the client does not say."""

    def instructed(self, prompt: Prompt) -> Prompt:
        """The prompt it wants solved: the client's, with its own instruction."""

    def cost(self, max_tokens: int) -> int:
        """The most tokens it may decode when one answer is at most `max_tokens` long."""

    async def solve(self, prompt: Prompt, run: Run) -> Outcome: ...


class NoAnswer(Exception):
    """The budget ended before there was anything to answer with."""


async def execute(strategy: Strategy, prompt: Prompt, run: Run) -> Finished:
    """An anytime strategy answers with its incumbent when the budget ends, or all that it asked for next is lost.

    Raises NoAnswer when the budget ended before there was one, and the loss where there was none.
    """
    stopped: Stopped
    clock = asyncio.timeout_at(run.budget.deadline)
    try:
        async with clock:
            outcome = await strategy.solve(prompt, run)
    except (TimeoutError, BudgetExhausted) as end:
        if isinstance(end, TimeoutError) and not clock.expired():
            raise
        outcome, stopped = await salvage(run), "deadline" if clock.expired() else "budget"
    except SampleFailed:
        if run.incumbent is None or not stands(run.incumbent, run):
            raise
        outcome, stopped = run.incumbent, "completed"
    else:
        stopped = "budget" if run.budget.short else "decided" if run.spared else "completed"
    finished = Finished(outcome, stopped)
    run.trace.emit(finished)
    return finished


def stands(incumbent: Outcome, run: Run) -> bool:
    """Whether the client has seen nothing else begin: nothing at all, or this one and what was to come behind it."""
    seen = "".join(e.speech.text for e in run.trace if isinstance(e, Spoken) and not e.speech.reasoning)
    made = incumbent.completion
    return not seen or seen.startswith(made.text if made.content is None else made.content)


async def salvage(run: Run) -> Outcome:
    """The best answer so far: the incumbent, else the candidate that came furthest, those with an answer first."""
    if run.incumbent is not None:
        return run.incumbent
    decodes = [e for e in run.trace if isinstance(e, Sampled | Aborted) and e.role in CANDIDATES]
    made = [e.completion.standing if e.role == "step" else e.completion for e in decodes if e.completion.text]
    outcomes = [Outcome(completion, await run.read(completion)) for completion in made]
    if not outcomes:
        raise NoAnswer
    furthest = sorted(outcomes, key=lambda o: (o.answer is not None, len(o.completion.text)), reverse=True)
    return replace(furthest[0], others=tuple(furthest[1:]))
