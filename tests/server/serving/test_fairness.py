"""Overload and fairness over a real socket: what is admitted is bounded in generations, and turns are fair."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from cogitate.server.auth.keys import create_key
from tests.fakes.live_server import eventually, live
from tests.fakes.scripted import ScriptedEngine

pytestmark = pytest.mark.live


def wide(n):
    return {"name": "self_consistency", "n": n, "stop_rule": "none"}


def test_no_more_generations_run_than_there_are_slots():
    most = []
    engine = ScriptedEngine(["\\boxed{1}"], pace=0.003)
    with live(engine, max_generations=4) as server, ThreadPoolExecutor(3) as pool:
        asked = [pool.submit(server.ask, strategy=wide(20), seed=at) for at in range(3)]
        while not all(answer.done() for answer in asked):
            most.append(engine.running)
        assert {answer.result().status_code for answer in asked} == {200} and max(most) == 4
        assert (server.service.slots.busy, server.service.slots.admitted) == (0, 0)


def test_a_wide_request_does_not_hold_up_a_plain_chat():
    with live(ScriptedEngine(["one two three"], pace=0.02), max_generations=2) as server, ThreadPoolExecutor(1) as pool:
        flood = pool.submit(server.ask, timeout=3, strategy=wide(100))
        eventually(lambda: server.service.slots.waiting > 50)
        assert server.ask().status_code == 200 and not flood.done()
        assert server.service.slots.waiting > 50
        with pytest.raises(Exception, match="timed out"):
            flood.result()
        eventually(lambda: (server.service.slots.busy, server.service.slots.waiting) == (0, 0), 1)


def test_at_overload_clients_are_told_to_come_back_before_anything_is_tokenised():
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


def test_tenants_take_turns(tmp_path):
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
