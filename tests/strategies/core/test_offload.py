"""Long texts are read in a thread, one after another; short ones on the event loop."""

import asyncio
import threading

import pytest

from cogitate.strategies.core.logprobs import TokenLogprob
from cogitate.strategies.core.offload import MAX_INLINE_SIZE, offload
from cogitate.strategies.core.ports import Verifier
from cogitate.strategies.core.prompt import Message, Prompt
from cogitate.strategies.core.run import Run
from cogitate.strategies.core.scripted import ScriptedEngine
from cogitate.strategies.core.types import Completion
from cogitate.strategies.verifiers import BUILT_IN
from tests.fakes.run import build_session

LONG = "Answer: " * MAX_INLINE_SIZE
PROMPT = Prompt((Message("user", "How many?"),))


async def test_event_loop_runs_while_a_long_text_is_read():
    release = threading.Event()
    reading = asyncio.ensure_future(offload(lambda: release.wait(10), MAX_INLINE_SIZE + 1))
    await asyncio.sleep(0.01)
    assert not reading.done()
    release.set()  # impossible if the loop were blocked
    assert await reading is True


async def test_long_texts_share_one_thread_and_short_ones_run_inline():
    threads: list[str] = []

    def read() -> None:
        threads.append(threading.current_thread().name)

    async with asyncio.TaskGroup() as group:
        for size in (MAX_INLINE_SIZE + 1, MAX_INLINE_SIZE + 1, MAX_INLINE_SIZE):
            group.create_task(offload(read, size))
    here = threading.current_thread().name
    assert threads.count(here) == 1 and len(set(threads) - {here}) == 1


@pytest.mark.parametrize("size", [MAX_INLINE_SIZE, MAX_INLINE_SIZE + 1])
async def test_exceptions_of_offloaded_work_reach_the_caller(size: int):
    with pytest.raises(ZeroDivisionError):
        await offload(lambda: 1 // 0, size)


async def test_many_short_texts_yield_to_other_tasks():
    turns = 0

    async def count_turns() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    task = asyncio.ensure_future(count_turns())
    for _ in range(100):
        await offload(lambda: None, 1)
    task.cancel()
    assert turns >= 100


def completion(text: str, tokens: int = 0) -> Completion:
    logprobs = (TokenLogprob(1, "a", -0.5, (TokenLogprob(1, "a", -0.5), TokenLogprob(2, "b", -1.5))),) * tokens
    return Completion(prompt=PROMPT, text=text, finish="stop", logprobs=logprobs)


async def refuse_to_ask(prompts, labels):
    raise AssertionError("these ask the engine nothing")


@pytest.mark.parametrize("name", ["confidence", "programmatic", "number", "json"])
async def test_verifier_scores_long_and_short_solutions_alike(name: str):
    verifier: Verifier = BUILT_IN[name]
    short, long = (completion("." * dots + ' 1 + 1 = 2\n{"a": 2}', dots + 1) for dots in (1, MAX_INLINE_SIZE))
    verdicts = await verifier.judge(PROMPT, [short, long, short], refuse_to_ask)
    assert verdicts[0].steps == pytest.approx(verdicts[1].steps) and verdicts[0] == verdicts[2]
    assert verdicts[0].steps[0] > 0


async def test_answer_of_a_long_candidate_is_read():
    answer = await Run(build_session(ScriptedEngine(["x"]))).read(completion(LONG + "7"))
    assert answer and answer.key == "7"
