"""Overload and fairness over a real socket: admission bounded in generations, and fair turns."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from cogitate.server.auth.keys import create_key
from cogitate.strategies.core.scripted import ScriptedEngine
from tests.fakes.live_server import eventually, live

pytestmark = pytest.mark.live


def wide(n):
    return {"name": "self_consistency", "n": n, "stop_rule": "none"}


def test_requests_together_run_no_more_generations_than_the_limit():
    running = []
    engine = ScriptedEngine(["\\boxed{1}"], pace=0.003)
    with live(engine, max_generations=4) as server, ThreadPoolExecutor(3) as pool:
        asked = [pool.submit(server.ask, strategy=wide(20), seed=at) for at in range(3)]
        while not all(answer.done() for answer in asked):
            running.append(engine.running)
        assert {answer.result().status_code for answer in asked} == {200} and max(running) == 4
        assert (server.service.slots.busy, server.service.slots.admitted) == (0, 0)


def test_a_plain_chat_is_answered_before_a_wide_request():
    with live(ScriptedEngine(["one two three"], pace=0.02), max_generations=2) as server, ThreadPoolExecutor(1) as pool:
        flood = pool.submit(server.ask, timeout=3, strategy=wide(100))
        eventually(lambda: server.service.slots.waiting > 50)
        assert server.ask().status_code == 200 and not flood.done()
        assert server.service.slots.waiting > 50
        with pytest.raises(Exception, match="timed out"):
            flood.result()
        eventually(lambda: (server.service.slots.busy, server.service.slots.waiting) == (0, 0))


def test_overload_is_a_429_with_retry_after_before_anything_is_tokenised():
    with live(ScriptedEngine(["x"], pace=30), max_generations=2, max_waiting_generations=6) as server:
        with ThreadPoolExecutor(1) as pool:
            waiting = pool.submit(server.ask, timeout=3, strategy=wide(8))
            eventually(lambda: server.engine.running == 2)
            calls = len(server.engine.calls)
            for fields in ({}, {"strategy": wide(4)}, {"strategy": wide(4), "stream": True}):
                refused = server.ask(**fields)
                assert (refused.status_code, refused.json()["error"]["code"]) == (429, "rate_limit_exceeded")
                assert int(refused.headers["retry-after"]) >= 1 and len(server.engine.calls) == calls
            with pytest.raises(Exception, match="timed out"):
                waiting.result()
        eventually(lambda: server.service.slots.admitted == 0)
        assert server.service.slots.waiting == 0


def test_one_tenant_does_not_wait_for_the_queue_of_another(tmp_path):
    first, second = (create_key(tmp_path / "keys", tenant) for tenant in "ab")
    with (
        live(ScriptedEngine(["one two"], pace=0.02), max_generations=1, api_keys_file=tmp_path / "keys") as server,
        ThreadPoolExecutor(2) as pool,
    ):

        def ask(key, n, seed):
            return server.ask(timeout=60, strategy=wide(n), seed=seed, headers={"Authorization": f"Bearer {key}"})

        flood = [pool.submit(ask, first, 30, 1)]
        eventually(lambda: server.service.slots.waiting > 20)
        assert ask(second, 3, 2).status_code == 200 and not flood[0].done()
        assert flood[0].result().status_code == 200
