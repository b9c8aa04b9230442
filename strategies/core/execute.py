"""Running a strategy under its budget: the only place that handles a deadline, an empty budget or a last loss."""

import asyncio
from dataclasses import replace
from typing import ClassVar, Protocol

from cogitate.strategies.core.budget import BudgetExhausted
from cogitate.strategies.core.ports import SampleFailed
from cogitate.strategies.core.run import Run
from cogitate.strategies.core.session import Session
from cogitate.strategies.core.trace import CANDIDATE_ROLES, Aborted, Finished, Sampled, Stopped, TextEmitted
from cogitate.strategies.core.types import Outcome, Prompt


class Strategy(Protocol):
    """A frozen value with one coroutine."""

    temperature: ClassVar[float]
    """The sampling temperature of its paper, where the client sets none."""

    def instruct(self, prompt: Prompt) -> Prompt:
        """Return the prompt to solve: the client's, with the strategy's instruction."""

    def cost(self, max_tokens: int) -> int:
        """Return the most tokens it may decode when one answer has at most `max_tokens`."""

    async def solve(self, prompt: Prompt, run: Run) -> Outcome: ...


class NoOutcome(Exception):
    """The budget ended before any answer was decoded."""


async def execute(strategy: Strategy, prompt: Prompt, session: Session) -> Finished:
    """Run a strategy to its outcome.

    A strategy is an anytime algorithm: when the budget ends, or every further decode is lost, its incumbent is the
    outcome. Raises NoOutcome where the budget ended without one, and SampleFailed where all was lost without one.
    """
    stopped: Stopped
    clock = asyncio.timeout_at(session.budget.deadline)
    try:
        async with clock:
            outcome = await strategy.solve(prompt, Run(session))
    except (TimeoutError, BudgetExhausted) as end:
        if isinstance(end, TimeoutError) and not clock.expired():
            raise
        outcome, stopped = await best_so_far(session), "deadline" if clock.expired() else "budget"
    except SampleFailed:
        if session.incumbent is None or not agrees_with_stream(session.incumbent, session):
            raise
        outcome, stopped = session.incumbent, "completed"
    else:
        stopped = "budget" if session.budget.is_short else "decided" if session.budget.spared else "completed"
    finished = Finished(outcome, stopped)
    session.trace.emit(finished)
    return finished


def agrees_with_stream(incumbent: Outcome, session: Session) -> bool:
    """Return whether the text streamed so far, if any, begins with the incumbent's text."""
    seen = "".join(e.delta.text for e in session.trace if isinstance(e, TextEmitted) and not e.delta.reasoning)
    completion = incumbent.completion
    return not seen or seen.startswith(completion.text if completion.content is None else completion.content)


async def best_so_far(session: Session) -> Outcome:
    """Return the incumbent, else the longest candidate, those with an answer first. Raises NoOutcome."""
    if session.incumbent is not None:
        return session.incumbent
    decodes = [e for e in session.trace if isinstance(e, Sampled | Aborted) and e.role in CANDIDATE_ROLES]
    made = [e.completion.as_final_answer if e.role == "step" else e.completion for e in decodes if e.completion.text]
    run = Run(session)
    outcomes = [Outcome(completion, await run.read(completion)) for completion in made]
    if not outcomes:
        raise NoOutcome
    longest = sorted(outcomes, key=lambda o: (o.answer is not None, len(o.completion.text)), reverse=True)
    return replace(longest[0], alternatives=tuple(longest[1:]))
