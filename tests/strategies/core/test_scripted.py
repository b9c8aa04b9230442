"""The scripted engine that users test their strategies on; tests/contract holds it to the behaviour of real engines."""

import asyncio

import pytest

from cogitate.strategies.core.execute import execute
from cogitate.strategies.core.prompt import Message, Prompt
from cogitate.strategies.core.scripted import ScriptedEngine, ScriptedProver, ScriptedVerifier
from cogitate.strategies.core.session import Session
from cogitate.strategies.core.types import Completion, Sampling
from cogitate.strategies.self_consistency import SelfConsistency

PROMPT = Prompt((Message("user", "What is 6*7?"),))


async def test_example_of_the_docstring_runs():
    engine = ScriptedEngine(["so it is \\boxed{42}", "perhaps \\boxed{41}", "so \\boxed{42}"])
    session = Session(engine=engine, prover=ScriptedProver())
    strategy = SelfConsistency(n=3)
    finished = await execute(strategy, strategy.instruct(PROMPT), session)
    assert finished.outcome.answer.raw == "42"


@pytest.mark.parametrize("until", ["</think>", None])
async def test_completion_tells_whether_it_ends_inside_thinking(until):
    engine = ScriptedEngine(["<think>a b c"])
    made = await engine.generate(PROMPT, Sampling(max_tokens=3, until=until))
    assert made.thinking == (until is not None) and made.finish == "length"


async def test_cancelled_decode_reports_what_it_decoded():
    engine, aborted = ScriptedEngine(["a b c d"], pace=0.01), list[Completion]()
    task = asyncio.create_task(engine.generate(PROMPT, Sampling(), on_abort=aborted.append))
    await asyncio.sleep(0.025)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert aborted[0].finish == "abort" and 0 < aborted[0].completion_tokens < 5
    assert (engine.cancelled, engine.finished, engine.running) == (1, 0, 0)


async def test_verifier_raises_a_scripted_exception():
    solution = Completion(prompt=PROMPT, text="x", finish="stop")
    with pytest.raises(KeyError):
        await ScriptedVerifier(lambda text: KeyError(text)).judge(PROMPT, [solution], None)
