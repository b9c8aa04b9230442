"""A bank with a server beside it: what the bank holds is looked up, the rest is asked, and each has its price."""

import asyncio
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from cogitate.server.evaluation import virtual_time
from cogitate.server.evaluation.arms import arm
from cogitate.server.evaluation.fallback_server import Standby, Unanswered
from cogitate.server.evaluation.replay import replayed
from cogitate.strategies.core.types import Message, Prompt, Sampling
from tests.fakes.banks import RECIPE, bank_of, question
from tests.fakes.live_server import Live, live
from tests.fakes.scripted import ScriptedEngine

TORN = ["1", "2", "3", "1", "2", "3", "4", "5"]
"""No majority, and all are equally likely: `auto` has one more answer written from these."""


@pytest.fixture
def server() -> Iterator[Live]:
    with live(ScriptedEngine(["So \\boxed{1}"], pace=0.01)) as server:
        yield server


def test_a_synthesis_is_the_one_thing_that_is_asked(server: Live):
    with Standby(server.url, RECIPE) as beyond:
        result = replayed("x", arm("auto:n=8").strategy, question(), bank_of(TORN), 0, beyond)
    prompt, sampling = server.engine.calls[-1]
    assert result.correct and "<candidate 4>" in prompt.messages[-1].text
    assert (sampling.max_tokens, sampling.temperature) == (RECIPE.max_tokens, RECIPE.temperature)
    wrote = result.tokens - 8 * 10
    assert (result.candidates, result.depth, result.verifier) == (9, 3 * 10 + wrote, 0) and wrote > 0


def test_verdicts_are_billed_and_are_no_candidates(server: Live):
    with Standby(server.url, RECIPE) as beyond:
        judged = arm("best_of_n:n=4,verifier=judge").strategy
        result = replayed("x", judged, question(), bank_of(["1", "2", "3", "4"]), 0, beyond)
    assert (result.candidates, result.verifier, result.tokens) == (4, 4, 4 * 10 + 4)


def test_a_server_that_is_not_needed_is_not_spoken_to():
    with Standby("http://127.0.0.1:9", RECIPE) as beyond:
        assert replayed("x", arm("auto:n=8").strategy, question(), bank_of(["1"] * 8), 0, beyond).correct


def test_replays_keep_a_server_busy_together(server: Live):
    together = list[int]()

    def pace(call: int) -> float:
        together.append(server.engine.running)
        return 0.05

    server.engine.pace = pace
    with Standby(server.url, RECIPE) as beyond, ThreadPoolExecutor(20) as lanes:
        bank, auto = bank_of(TORN), arm("auto:n=8").strategy
        replays = [lanes.submit(replayed, "x", auto, question(), bank, at, beyond) for at in range(20)]
        assert all(replay.result().correct for replay in replays)
    assert max(together) > 1


def test_what_the_server_cannot_do_is_said_in_one_line(server: Live):
    with Standby(server.url, RECIPE) as beyond, pytest.raises(Unanswered, match="partial answers"):
        replayed("x", arm("self_consistency:n=4,weights=p_true").strategy, question(), bank_of(TORN), 0, beyond)


@pytest.mark.parametrize(("url", "why"), [("http://127.0.0.1:9", "no answer"), ("ftp://here", "base URL")])
def test_a_server_that_is_not_there_is_not_waited_for_long(url: str, why: str):
    with Standby(url, RECIPE, patience=0.2) as beyond, pytest.raises(Unanswered, match=why):
        replayed("x", arm("auto:n=8").strategy, question(), bank_of(TORN), 0, beyond)


def test_no_time_passes_while_the_world_outside_is_waited_for():
    async def work() -> tuple[float, float]:
        loop = asyncio.get_running_loop()
        other = asyncio.ensure_future(asyncio.sleep(1000))
        with virtual_time.standing_still():
            await loop.run_in_executor(None, time.sleep, 0.02)
        stood = loop.time()
        await other
        return stood, loop.time()

    assert virtual_time.run(work()) == (0, 1000)


def test_what_is_greedy_stays_greedy(server: Live):
    async def work(beyond: Standby) -> str:
        prompt = Prompt((Message("user", "?"),))
        return (await beyond.generate(prompt, Sampling(temperature=0.0, max_tokens=3))).text

    with Standby(server.url, RECIPE) as beyond:
        assert virtual_time.run(work(beyond)) == "So \\boxed{1}"
    _, last = server.engine.calls[-1]
    assert (last.temperature, last.max_tokens, last.seed) == (0.0, 3, RECIPE.seed)
