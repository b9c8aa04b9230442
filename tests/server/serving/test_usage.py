"""Usage and token metrics over hundreds of mixed requests: finished, cut short, cancelled and abandoned."""

import random
import re
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from cogitate.strategies.core.ports import SampleFailed
from cogitate.strategies.core.scripted import ScriptedEngine
from tests.fakes.live_server import eventually, live

pytestmark = pytest.mark.live
STEPS = "First, we think.\n\nThen we think some more.\n\nSo it is \\boxed{%d}."


def engine(chance):
    def reply(prompt, sampling):
        if chance.random() < 0.1:
            return SampleFailed("lost")
        return STEPS % chance.choice([1, 1, 1, 2, 3])

    return ScriptedEngine(reply, pace=lambda call: call % 5 * 0.0005)


def fields(chance):
    name = chance.choice(
        ["chain_of_thought", "self_consistency", "best_of_n", "beam_search", "dvts", "particle_filter"]
    )
    strategy = {"name": name} if name == "chain_of_thought" else {"name": name, "n": chance.choice([4, 8, 12])}
    if name == "self_consistency":
        strategy["stop_rule"] = chance.choice(["none", "certain", "beta"])
    asked = {"strategy": strategy, "cache": "no-store", "max_tokens": chance.choice([3, 8, 50])}
    asked |= chance.choice([{}, {}, {"budget": {"tokens": 40}}, {"budget": {"seconds": 0.01}}])
    return asked | chance.choice(
        [{}, {"seed": 7}, {"n": 1}, {"stream": True, "stream_options": {"include_usage": True}}]
    )


def read_generated_tokens(server):
    text = httpx.get(f"{server.url}/metrics").text
    return sum(map(float, re.findall(r"^cogitate_generated_tokens_total{.*} (\S+)$", text, re.MULTILINE)))


def test_the_token_counter_equals_the_decoded_tokens():
    chance = random.Random(20261123)
    with live(engine(chance)) as server, ThreadPoolExecutor(12) as pool:

        def ask(timeout, asked):
            try:
                return server.ask(timeout=timeout, **asked)
            except httpx.TimeoutException:
                return None

        asked = [(0.02 if chance.random() < 0.2 else 30, fields(chance)) for _ in range(300)]
        answers = list(pool.map(lambda pair: ask(*pair), asked))
        eventually(lambda: not server.service.jobs.live)
        statuses = [answer.status_code if answer else None for answer in answers]
        assert read_generated_tokens(server) == server.engine.decoded > 10_000
        assert statuses.count(200) > 150 and statuses.count(None) > 5


def test_the_usage_of_each_answer_equals_its_decoded_tokens():
    chance = random.Random(5)
    with live(engine(chance)) as server:
        for _ in range(120):
            before = server.engine.decoded
            asked = fields(chance) | {"stream": False, "stream_options": None}
            answer = server.ask(**asked)
            if answer.status_code == 200:
                usage = answer.json()["usage"]
                assert usage["completion_tokens"] == server.engine.decoded - before, asked
                assert usage["total_tokens"] == usage["prompt_tokens"] + usage["completion_tokens"]
                assert answer.json()["cogitate"]["uncounted"] == 0
