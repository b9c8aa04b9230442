"""Running a strategy under its budget: the only place that handles a search's early end and its last loss."""

from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import replace
from typing import ClassVar, Protocol

from cogitate.strategies.core.best_so_far import (
    agrees_with_stream,
    find_best,
    find_thought,
    has_candidate,
    is_settled,
    join_prefix,
)
from cogitate.strategies.core.budget import BudgetExhausted
from cogitate.strategies.core.election import Election
from cogitate.strategies.core.events import Finished, Stopped
from cogitate.strategies.core.interrupt import Interrupted
from cogitate.strategies.core.ports import SampleFailed
from cogitate.strategies.core.prompt import Prompt
from cogitate.strategies.core.run import Run
from cogitate.strategies.core.session import Session
from cogitate.strategies.core.types import Completion, Outcome

CloseThought = Callable[[Run, Prompt, Completion | None], Awaitable[Outcome | None]]
"""Answers a prompt in a few tokens, from an unfinished decode where there is one; None where it cannot."""


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
    """The search was ended before any answer was decoded. `reason`: by what."""

    def __init__(self, reason: Stopped = "deadline") -> None:
        super().__init__(reason)
        self.reason = reason


async def execute(
    strategy: Strategy, prompt: Prompt, session: Session, close_thought: CloseThought | None = None
) -> Finished:
    """Run a strategy to its outcome.

    A strategy is an anytime algorithm: when the budget ends, somebody asks for the answer, or every further decode is
    lost, its incumbent is the outcome. Somebody who asks before there is an answer gets that of the thought under way,
    by `close_thought`; where that cannot be closed, the search goes on until a candidate ends. Raises NoOutcome where
    the search was ended without any, and SampleFailed where all was lost without any.
    """
    stopped: Stopped
    interrupt, may_close = session.budget.interrupt, close_thought is not None and may_append_text(session)
    try:
        async with interrupt.watch(session.budget.deadline, lambda: may_close or has_candidate(session)):
            outcome = await strategy.solve(prompt, Run(session))
    except BudgetExhausted:
        stopped = "budget"
        outcome = await end_early(prompt, session, None, stopped)
    except Interrupted:
        is_asked = may_close and interrupt.reason == "asked"
        stopped = interrupt.reason or "deadline"
        outcome = await end_early(prompt, session, close_thought if is_asked else None, stopped)
    except SampleFailed:
        if session.incumbent is None or not agrees_with_stream(session.incumbent.completion, session):
            raise
        outcome, stopped = session.incumbent, "completed"
    else:
        stopped = "budget" if session.budget.is_short else "decided" if session.budget.spared else "completed"
    session.record_election(outcome.election)
    finished = Finished(outcome, stopped)
    session.trace.emit(finished)
    return finished


def may_append_text(session: Session) -> bool:
    """Return whether text may be appended to what was decoded: the engine can, and nothing restricts the answer."""
    request = session.request
    is_free = not request.sampling.constrained and not request.reader.tools and request.reader.format != "json"
    return is_free and "continue" in request.abilities


async def end_early(prompt: Prompt, session: Session, close_thought: CloseThought | None, stopped: Stopped) -> Outcome:
    """Return the best outcome so far, or one of `close_thought` where that is no answer. Raises NoOutcome."""
    run, best = Run(session), await find_best(session)
    thought = find_thought(session, prompt)
    if best and thought and not agrees_with_stream(best.completion, session):
        shown = join_prefix(thought, prompt)
        alternatives = (best, *best.alternatives)
        best = Outcome(shown, await run.read(shown), alternatives=alternatives, election=Election("shown"))
    if close_thought and not (best and is_settled(best)):
        if session.budget.tokens_left is not None and session.budget.tokens_left < session.budget.closing:
            session.budget.tokens_left = session.budget.closing
        with suppress(BudgetExhausted, SampleFailed, Interrupted):
            async with session.budget.interrupt.watch(session.budget.deadline):
                if closed := await close_thought(run, prompt, thought):
                    alternatives = list_alternatives(best, thought)
                    best = replace(closed, alternatives=alternatives, election=Election("closed"))
    if best is None:
        raise NoOutcome(stopped)
    return best


def list_alternatives(best: Outcome | None, thought: Completion | None) -> tuple[Outcome, ...]:
    """Return the outcomes that a closed thought is preferred to."""
    ranked = (best, *best.alternatives) if best else ()
    return tuple(outcome for outcome in ranked if thought is None or outcome.completion.index != thought.index)
