"""Cogitate in front of vLLM's own server, and of another Cogitate: step-wise searches need their /tokenize."""

import contextlib
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from cogitate.server.engine.vllm.env import DEMO_MODEL_NAME
from tests.fakes.vllm_server import vllm_server

pytestmark = [pytest.mark.engine, pytest.mark.slow, pytest.mark.faults]
QUESTION = {"role": "user", "content": "A farmer has 17 sheep and buys 5 more. How many has he now? Think in steps."}
BEAM_SEARCH = {"name": "beam_search", "n": 2, "width": 2, "verifier": "confidence", "max_steps": 3}
START_SECONDS = 240


@dataclass(frozen=True, slots=True)
class Cogitate:
    """A running `cogitate serve`."""

    url: str
    log: Path

    def search(self) -> httpx.Response:
        body = {"model": DEMO_MODEL_NAME, "messages": [QUESTION], "max_tokens": 24, "seed": 3, "strategy": BEAM_SEARCH}
        return httpx.post(f"{self.url}/v1/chat/completions", json=body, timeout=120)


@contextlib.contextmanager
def cogitate_server(log: Path, *flags: str) -> Iterator[Cogitate]:
    """Run `cogitate serve` until the context ends."""
    with log.open("wb") as output:
        command = [sys.executable, "-m", "cogitate.server", "serve", "--port", "0", *flags]
        process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT)
    try:
        yield Cogitate(wait_for_url(log, process), log)
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(60)


def wait_for_url(log: Path, process: "subprocess.Popen[bytes]") -> str:
    end = time.monotonic() + START_SECONDS
    while not (ready := re.search(r"ready: .*(http://[^/\s]+)", log.read_text())):
        assert process.poll() is None and time.monotonic() < end, log.read_text()
        time.sleep(0.2)
    return ready[1]


def check_chain(log: Path, url: str) -> None:
    """Search step by step through a Cogitate in front of `url`."""
    with cogitate_server(log, "--engine", "openai", "--upstream", f"{url}/v1") as front:
        answer = front.search()
        assert "can: continue, logprobs, n, seed" in front.log.read_text()
    assert answer.status_code == 200, answer.text
    assert answer.json()["cogitate"]["strategy"] == "beam_search"
    assert answer.json()["choices"][0]["message"]["content"]


def test_vllm_serve_starts_on_the_cpu_build_and_is_searched_step_by_step(tmp_path):
    with vllm_server() as upstream:
        assert httpx.get(f"{upstream.url}/version").json()["version"]
        check_chain(tmp_path / "front.log", upstream.url)
        assert upstream.output.count("POST /v1/completions") > BEAM_SEARCH["n"]
        assert "POST /tokenize" in upstream.output


def test_cogitate_in_front_of_cogitate_keeps_its_step_wise_searches(tmp_path):
    with cogitate_server(tmp_path / "upstream.log", "--engine-args", '{"max_model_len": 2048}') as upstream:
        check_chain(tmp_path / "front.log", upstream.url)
