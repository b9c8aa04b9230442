"""Long texts are read apart from the event loop, one after another; short ones at once."""

import asyncio
import threading

import pytest

from cogitate.strategies.core.logprobs import TokenLogprob
from cogitate.strategies.core.offload import SHORT, apart
from cogitate.strategies.core.ports import Verifier
from cogitate.strategies.core.types import Completion, Message, Prompt
from cogitate.strategies.verifiers import BUILT_IN
from tests.fakes.run import run_of
from tests.fakes.scripted import ScriptedEngine

LONG = "Answer: " * SHORT
PROMPT = Prompt((Message("user", "How many?"),))


async def test_the_loop_goes_on_while_a_long_text_is_read():
    over = threading.Event()
    reading = asyncio.ensure_future(apart(lambda: over.wait(10), SHORT + 1))
    await asyncio.sleep(0.01)
    assert not reading.done()
    over.set()  # which nobody could do, were the loop held up
    assert await reading is True


async def test_long_texts_are_read_one_after_another_and_short_ones_at_once():
    threads: list[str] = []

    def read() -> None:
        threads.append(threading.current_thread().name)

    async with asyncio.TaskGroup() as group:
        for size in (SHORT + 1, SHORT + 1, SHORT):
            group.create_task(apart(read, size))
    here = threading.current_thread().name
    assert threads.count(here) == 1 and len(set(threads) - {here}) == 1


@pytest.mark.parametrize("size", [SHORT, SHORT + 1])
async def test_what_goes_wrong_is_the_readers_own_to_handle(size: int):
    with pytest.raises(ZeroDivisionError):
        await apart(lambda: 1 // 0, size)


async def test_many_short_texts_leave_others_their_turn():
    turns = 0

    async def other() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    task = asyncio.ensure_future(other())
    for _ in range(100):
        await apart(lambda: None, 1)
    task.cancel()
    assert turns >= 100


def sampled(text: str, tokens: int = 0) -> Completion:
    logprobs = (TokenLogprob(1, "a", -0.5, (TokenLogprob(1, "a", -0.5), TokenLogprob(2, "b", -1.5))),) * tokens
    return Completion(prompt=PROMPT, text=text, finish="stop", logprobs=logprobs)


async def nobody(prompts, labels):
    raise AssertionError("these ask the engine nothing")


@pytest.mark.parametrize("name", ["confidence", "programmatic", "number", "json"])
async def test_a_verifier_says_the_same_of_a_solution_however_it_is_read(name: str):
    verifier: Verifier = BUILT_IN[name]
    short, long = (sampled("." * dots + ' 1 + 1 = 2\n{"a": 2}', dots + 1) for dots in (1, SHORT))
    verdicts = await verifier.judge(PROMPT, [short, long, short], nobody)
    assert verdicts[0].steps == pytest.approx(verdicts[1].steps) and verdicts[0] == verdicts[2]
    assert verdicts[0].steps[0] > 0


async def test_a_long_candidate_gives_its_answer():
    answer = await run_of(ScriptedEngine(["x"])).read(sampled(LONG + "7"))
    assert answer and answer.key == "7"
