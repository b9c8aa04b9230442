"""vLLM's own server as a process, and Cogitate in front of it: step-wise searches need its /tokenize."""

import contextlib
import re
import signal
import subprocess
import sys
from collections.abc import Iterator

import httpx
import pytest

from cogitate.server.engine.vllm.env import DEMO_MODEL_NAME
from tests.fakes.vllm_server import VllmServer, vllm_server

pytestmark = pytest.mark.engine
QUESTION = {"role": "user", "content": "A farmer has 17 sheep and buys 5 more. How many has he now? Think in steps."}
BEAM_SEARCH = {"name": "beam_search", "n": 4, "width": 2, "verifier": "confidence", "max_steps": 4}


@pytest.fixture(scope="module")
def upstream() -> Iterator[VllmServer]:
    with vllm_server() as server:
        yield server


@contextlib.contextmanager
def cogitate_before(url: str) -> Iterator[httpx.Client]:
    """Run `cogitate serve --engine openai` before an upstream. Yields a client of it."""
    command = [sys.executable, "-m", "cogitate.server", "serve", "--engine", "openai", "--port", "0"]
    process = subprocess.Popen([*command, "--upstream", f"{url}/v1"], stdout=subprocess.PIPE, text=True)
    try:
        ready = next((line for line in process.stdout if "ready:" in line), "")
        with httpx.Client(base_url=re.search(r"http://[^/\s]+", ready).group(), timeout=120) as client:
            yield client
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(30)
        process.stdout.close()


def search(client: httpx.Client) -> dict:
    body = {"model": DEMO_MODEL_NAME, "messages": [QUESTION], "max_tokens": 48, "seed": 3, "strategy": BEAM_SEARCH}
    response = client.post("/v1/chat/completions", json=body)
    assert response.status_code == 200, response.text
    return response.json()


def test_vllm_serve_starts_on_the_cpu_build_and_answers(upstream):
    body = {"model": DEMO_MODEL_NAME, "messages": [QUESTION], "max_tokens": 8}
    answer = httpx.post(f"{upstream.url}/v1/chat/completions", json=body, timeout=60).json()
    assert answer["usage"]["completion_tokens"] == 8 and "cogitate" not in answer
    assert httpx.get(f"{upstream.url}/version").json()["version"]


def test_a_step_wise_search_runs_over_the_upstreams_tokenize_and_completions(upstream):
    with cogitate_before(upstream.url) as client:
        probed = upstream.output.count("POST /v1/completions")
        answer = search(client)
        assert upstream.output.count("POST /v1/completions") >= probed + BEAM_SEARCH["n"]
    assert answer["cogitate"]["strategy"] == "beam_search" and answer["choices"][0]["message"]["content"]
    assert "POST /tokenize" in upstream.output
