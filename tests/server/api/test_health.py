"""Liveness, readiness, draining and metrics."""

import asyncio
import contextlib
import threading

import httpx
import pytest

from cogitate.server.observability.metrics import FATES
from cogitate.strategies.core.scripted import ScriptedEngine
from tests.fakes.backend import ScriptedBackend
from tests.fakes.live_server import eventually, live

pytestmark = pytest.mark.live


def status(server, path):
    return httpx.get(server.url + path).status_code


def test_server_is_live_but_not_ready_while_loading():
    loading = asyncio.Event()

    def backend(engine):
        return ScriptedBackend(engine, loading=loading)

    with live(ScriptedEngine(["x"]), backend=backend, wait_until_ready=False) as server:
        assert (status(server, "/health/live"), status(server, "/health/ready"), status(server, "/health")) == (
            200,
            503,
            503,
        )
        refused = server.ask()
        assert refused.status_code == 503 and refused.json()["error"]["code"] == "not_ready"
        assert int(refused.headers["retry-after"]) > 0 and status(server, "/v1/models") == 503


def test_draining_rejects_new_requests_and_finishes_running_ones():
    engine = ScriptedEngine(["one two \\boxed{3}"], pace=0.1)
    with live(engine) as server:
        answers = []
        asking = threading.Thread(target=lambda: answers.append(server.ask(strategy="chain_of_thought")))
        asking.start()
        eventually(lambda: engine.running)
        server.service.jobs.draining = True
        assert status(server, "/health/ready") == 503 and status(server, "/health/live") == 200
        assert server.ask().status_code == 503
        asking.join()
        assert answers[0].json()["cogitate"]["answer"] == "3"


def test_shutdown_aborts_what_outlasts_the_grace_period():
    engine = ScriptedEngine(["x"], pace=30)
    with live(engine) as server:

        def ask():
            with contextlib.suppress(httpx.TransportError):  # told so, or hung up on: both are ends
                server.ask(strategy="self_consistency", timeout=20)

        asking = threading.Thread(target=ask)
        asking.start()
        eventually(lambda: engine.running)
    assert engine.running == 0
    asking.join(5)


def test_health_is_vllms_without_a_body():
    death = asyncio.Event()
    with live(ScriptedEngine(["x"]), backend=lambda engine: ScriptedBackend(engine, death=death)) as server:
        healthy = httpx.get(f"{server.url}/health")
        assert (healthy.status_code, healthy.content) == (200, b"")
        death.set()
        eventually(lambda: status(server, "/health") == 503)


def test_lingering_server_accepts_requests_but_is_not_ready():
    with live(ScriptedEngine(["x"])) as server:
        server.service.lingering = True
        assert (status(server, "/health/ready"), status(server, "/health"), status(server, "/health/live")) == (
            503,
            503,
            200,
        )
        assert server.ask().status_code == 200 and metrics(server)["cogitate_ready"] == 0


def test_server_is_not_ready_after_engine_death():
    death = asyncio.Event()
    with live(ScriptedEngine(["x"]), backend=lambda engine: ScriptedBackend(engine, death=death)) as server:
        assert status(server, "/health/ready") == 200
        death.set()
        eventually(lambda: status(server, "/health/ready") == 503)
        assert server.ask().json()["error"]["code"] == "engine_dead"


def metrics(server):
    lines = httpx.get(f"{server.url}/metrics").text.splitlines()
    return {line.rsplit(" ", 1)[0]: float(line.rsplit(" ", 1)[1]) for line in lines if line.startswith("cogitate_")}


def test_metrics_count_requests_tokens_and_cache():
    engine = ScriptedEngine(["\\boxed{42} it is"], pace=lambda call: 0.001 if call < 4 else 0.003)
    with live(engine) as server:
        used = server.ask(strategy={"name": "self_consistency", "n": 16, "concurrency": 16}).json()["usage"]
        server.ask(strategy={"name": "self_consistency", "n": 16, "concurrency": 16})
        server.ask()
        server.ask(temperature=9)
        seen = metrics(server)
    mine = 'strategy="self_consistency"'
    chat = 'endpoint="/v1/chat/completions"'
    assert seen[f'cogitate_requests_total{{{chat},status="2xx",{mine}}}'] == 2
    assert seen[f'cogitate_requests_total{{{chat},status="2xx",strategy="none"}}'] == 1
    assert seen[f'cogitate_requests_total{{{chat},status="4xx",strategy="none"}}'] == 1
    fates = {fate: seen[f'cogitate_generated_tokens_total{{fate="{fate}",{mine}}}'] for fate in FATES}
    assert sum(fates.values()) == used["completion_tokens"] and fates["kept"] and fates["aborted"]
    read = sum(seen[f'cogitate_prompt_tokens_total{{cache="{cache}",{mine}}}'] for cache in ("hit", "miss"))
    assert read == used["prompt_tokens"]
    assert seen[f'cogitate_stopped_total{{reason="decided",{mine}}}'] == 1
    assert seen[f"cogitate_candidates_sum{{{mine}}}"] == 4 and seen[f"cogitate_agreement_sum{{{mine}}}"] == 1
    assert seen['cogitate_cache_total{result="hit"}'] == 1 and seen['cogitate_cache_total{result="stored"}'] == 1
    assert seen[f"cogitate_time_to_first_token_seconds_count{{{mine}}}"] == 1
    assert seen["cogitate_engine_running"] == 0 and seen["cogitate_ready"] == 1


def test_verdicts_do_not_count_as_candidates():
    with live(ScriptedEngine(["\\boxed{42}"])) as server:
        server.ask(strategy={"name": "best_of_n", "n": 3})
        assert metrics(server)['cogitate_candidates_sum{strategy="best_of_n"}'] == 3


def test_unknown_names_add_no_label_values():
    with live(ScriptedEngine(["x"])) as server:
        for n in range(5):
            server.ask(model=f"model-{n}")
            server.ask(strategy=f"strategy-{n}")
            httpx.get(f"{server.url}/path-{n}")
        metrics(server)
        before = len(metrics(server))
        for n in range(5, 60):
            server.ask(model=f"model-{n}", strategy=f"strategy-{n}")
            httpx.request("POST", f"{server.url}/path-{n}")
            httpx.get(f"{server.url}/v1/models/model-{n}")
        assert len(metrics(server)) == before
