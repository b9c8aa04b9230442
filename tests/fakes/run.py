"""How the strategy tests run a strategy: on a scripted engine, without a server."""

import asyncio
from collections.abc import Callable, Sequence

from cogitate.strategies.core.answer_reader import Reading
from cogitate.strategies.core.budget import Budget
from cogitate.strategies.core.execute import execute
from cogitate.strategies.core.options import Options
from cogitate.strategies.core.run import Run
from cogitate.strategies.core.trace import Event, Finished
from cogitate.strategies.core.types import Message, Prompt, Sampling
from cogitate.strategies.verifiers import BUILT_IN
from tests.fakes.scripted import ScriptedEngine, ScriptedProver, ScriptedVerifier

SAMPLING = Sampling(max_tokens=100)
QUESTION = Prompt((Message("user", "What is 6*7?"),))


def run_of(
    engine: ScriptedEngine,
    *,
    opinion: Callable[[str], float | Sequence[float]] = len,
    tokens: int | None = None,
    sampling: Sampling = SAMPLING,
    answer_format: str = "auto",
    equals: Sequence[tuple[str, str]] = (),
) -> Run:
    return Run(
        engine=engine,
        prover=ScriptedProver(equals),
        verifiers={**BUILT_IN, "scripted": ScriptedVerifier(opinion)},
        sampling=sampling,
        reading=Reading(format=answer_format),
        budget=Budget(tokens),
    )


def solve(strategy: Options, run: Run, *, prompt: Prompt = QUESTION, seconds: float | None = None) -> Finished:
    async def main() -> Finished:
        if seconds is not None:
            run.budget.deadline = asyncio.get_running_loop().time() + seconds
        finished = await execute(strategy, strategy.instructed(prompt), run)
        assert run.engine.running == 0, "something still decodes"
        return finished

    return asyncio.run(main())


def events(run: Run, *kinds: type[Event]) -> list[Event]:
    return [event for event in run.trace if isinstance(event, kinds)]
