"""Running a strategy over a scripted engine, without a server."""

import asyncio
from collections.abc import Callable, Sequence

from cogitate.strategies.core.answer_reader import AnswerReader
from cogitate.strategies.core.budget import Budget
from cogitate.strategies.core.events import Event, Finished
from cogitate.strategies.core.execute import execute
from cogitate.strategies.core.models import EnginesByModel
from cogitate.strategies.core.options import Options
from cogitate.strategies.core.ports import ABILITIES, Ability
from cogitate.strategies.core.prompt import Message, Prompt
from cogitate.strategies.core.scripted import ScriptedEngine, ScriptedProver, ScriptedVerifier
from cogitate.strategies.core.session import RequestContext, Session
from cogitate.strategies.core.types import Sampling
from cogitate.strategies.verifiers import BUILT_IN
from tests.fakes.audited import audit_session

SAMPLING = Sampling(max_tokens=100)
QUESTION = Prompt((Message("user", "What is 6*7?"),))


def build_session(
    engine: ScriptedEngine | EnginesByModel,
    *,
    score_text: Callable[[str], float | Sequence[float]] = len,
    tokens: int | None = None,
    sampling: Sampling = SAMPLING,
    answer_format: str = "auto",
    equals: Sequence[tuple[str, str]] = (),
    answers: int = 1,
    abilities: frozenset[Ability] = ABILITIES,
    verifier_model: str = "",
) -> Session:
    """Build a session with the built-in verifiers, and `scripted`, which scores by `score_text`."""
    return Session(
        engine=engine,
        prover=ScriptedProver(equals),
        verifiers={**BUILT_IN, "scripted": ScriptedVerifier(score_text)},
        request=RequestContext(
            sampling=sampling,
            reader=AnswerReader(format=answer_format),
            answers=answers,
            abilities=abilities,
            verifier_model=verifier_model,
        ),
        budget=Budget(tokens),
    )


def solve(strategy: Options, session: Session, *, prompt: Prompt = QUESTION, seconds: float | None = None) -> Finished:
    """Run a strategy to its end on a new event loop. Check that no decode outlives it, and that its trace adds up."""

    async def main() -> Finished:
        if seconds is not None:
            session.budget.deadline = asyncio.get_running_loop().time() + seconds
        finished = await execute(strategy, strategy.instruct(prompt), session)
        assert count_running(session.engine) == 0, "a decode outlived its strategy"
        return finished

    finished = asyncio.run(main())
    assert audit_session(strategy, session).differences == []
    return finished


def count_running(engine: ScriptedEngine | EnginesByModel) -> int:
    """Count the decodes in flight, of all models."""
    engines = engine.engines.values() if isinstance(engine, EnginesByModel) else [engine]
    return sum(one.running for one in engines if isinstance(one, ScriptedEngine))


def events(session: Session, *kinds: type[Event]) -> list[Event]:
    """The session's events of these kinds, in order."""
    return [event for event in session.trace if isinstance(event, kinds)]
