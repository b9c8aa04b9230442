"""Runs a strategy under its budget: the only place where a deadline or an empty purse is handled."""

import asyncio
from dataclasses import replace

from strategies.budget import BudgetExhausted
from strategies.run import Run, Strategy
from strategies.trace import CANDIDATES, Aborted, Finished, Sampled, Stopped
from strategies.types import Outcome, Prompt


class NoAnswer(Exception):
    """The budget ended before there was anything to answer with."""


async def execute(strategy: Strategy, prompt: Prompt, run: Run) -> Finished:
    """The only place a budget's end is handled: an anytime strategy answers with its incumbent.

    Raises NoAnswer when the budget ended before there was one.
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
    else:
        aborted = any(isinstance(event, Aborted) and event.completion.finish == "abort" for event in run.trace)
        stopped = "budget" if run.budget.short else "decided" if aborted else "completed"
    finished = Finished(outcome, stopped)
    run.trace.emit(finished)
    return finished


async def salvage(run: Run) -> Outcome:
    """The best answer so far: the incumbent, else the candidate that came furthest, those with an answer first."""
    if run.incumbent is not None:
        return run.incumbent
    decodes = [e.completion for e in run.trace if isinstance(e, Sampled | Aborted) and e.role in CANDIDATES]
    outcomes = [Outcome(made, await run.read(made)) for made in decodes if made.text]
    if not outcomes:
        raise NoAnswer
    furthest = sorted(outcomes, key=lambda o: (o.answer is not None, len(o.completion.text)), reverse=True)
    return replace(furthest[0], others=tuple(furthest[1:]))
