"""Replays with a server for what the bank lacks: what it is asked, and what that costs."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from cogitate.server.evaluation import virtual_time
from cogitate.server.evaluation.arms import parse_arm
from cogitate.server.evaluation.fallback_server import FallbackFailed, FallbackServer
from cogitate.server.evaluation.replay import replay
from cogitate.strategies.core.prompt import Message, Prompt
from cogitate.strategies.core.scripted import ScriptedEngine
from cogitate.strategies.core.types import Sampling
from tests.fakes.banks import RECIPE, bank_of, question
from tests.fakes.live_server import Live, live

SPLIT = ["1", "2", "3", "1", "2", "3", "4", "5"]
"""No majority, and all are equally likely: `auto` has one more answer written from these."""


@pytest.fixture
def server() -> Iterator[Live]:
    with live(ScriptedEngine(["So \\boxed{1}"], pace=0.01)) as server:
        yield server


def test_only_the_synthesis_is_requested_from_the_server(server: Live):
    with FallbackServer(server.url, RECIPE) as fallback:
        result = replay(parse_arm("auto:n=8"), question(), bank_of(SPLIT), 0, fallback)
    prompt, sampling = server.engine.calls[-1]
    assert result.correct and "<candidate 4>" in prompt.messages[-1].text
    assert (sampling.max_tokens, sampling.temperature) == (RECIPE.max_tokens, RECIPE.temperature)
    wrote = result.tokens - 8 * 10
    assert (result.candidates, result.depth, result.verifier) == (9, 3 * 10 + wrote, 0) and wrote > 0


def test_verdicts_count_as_verifier_tokens_and_not_as_candidates(server: Live):
    with FallbackServer(server.url, RECIPE) as fallback:
        judged = parse_arm("best_of_n:n=4,verifier=judge")
        result = replay(judged, question(), bank_of(["1", "2", "3", "4"]), 0, fallback)
    assert (result.candidates, result.verifier, result.tokens) == (4, 4, 4 * 10 + 4)


def test_unneeded_server_is_not_connected_to():
    with FallbackServer("http://127.0.0.1:9", RECIPE) as fallback:
        assert replay(parse_arm("auto:n=8"), question(), bank_of(["1"] * 8), 0, fallback).correct


def test_concurrent_replays_share_the_server(server: Live):
    together = list[int]()

    def pace(call: int) -> float:
        together.append(server.engine.running)
        return 0.05

    server.engine.pace = pace
    with FallbackServer(server.url, RECIPE) as fallback, ThreadPoolExecutor(20) as pool:
        bank, auto = bank_of(SPLIT), parse_arm("auto:n=8")
        replays = [pool.submit(replay, auto, question(), bank, at, fallback) for at in range(20)]
        assert all(replay.result().correct for replay in replays)
    assert max(together) > 1


def test_missing_engine_ability_raises_fallback_failed(server: Live):
    with FallbackServer(server.url, RECIPE) as fallback, pytest.raises(FallbackFailed, match="partial responses"):
        replay(parse_arm("self_consistency:n=4,weights=p_true"), question(), bank_of(SPLIT), 0, fallback)


@pytest.mark.parametrize(("url", "why"), [("http://127.0.0.1:9", "no answer"), ("ftp://here", "base URL")])
def test_unreachable_server_fails_within_the_connect_timeout(url: str, why: str):
    with FallbackServer(url, RECIPE, connect_timeout=0.2) as fallback, pytest.raises(FallbackFailed, match=why):
        replay(parse_arm("auto:n=8"), question(), bank_of(SPLIT), 0, fallback)


def test_greedy_requests_stay_greedy_under_the_banks_recipe(server: Live):
    async def work(fallback: FallbackServer) -> str:
        prompt = Prompt((Message("user", "?"),))
        return (await fallback.generate(prompt, Sampling(temperature=0.0, max_tokens=3))).text

    with FallbackServer(server.url, RECIPE) as fallback:
        assert virtual_time.run(work(fallback)) == "So \\boxed{1}"
    _, last = server.engine.calls[-1]
    assert (last.temperature, last.max_tokens, last.seed) == (0.0, 3, RECIPE.seed)
