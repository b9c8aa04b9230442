"""`cogitate serve --engine openai` as a process, where PyTorch, vLLM, transformers and aiohttp cannot be imported."""

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import AsyncIterator

import httpx

from tests.fakes.upstream import Script
from tests.server.engine.remote.fakes import start_upstreams

SERVE_WITHOUT_TORCH = """
import sys
sys.modules.update(dict.fromkeys(["torch", "vllm", "transformers", "aiohttp"]))
from cogitate.server.cli import main
main(sys.argv[1:])
"""
KEY = "sk-canary-key"
QUESTION = {"model": "fake", "messages": [{"role": "user", "content": "What is canary-prompt?"}]}


@contextlib.asynccontextmanager
async def serving(
    *words: str, **environment: str
) -> AsyncIterator[tuple[httpx.AsyncClient, asyncio.subprocess.Process]]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", SERVE_WITHOUT_TORCH, "serve", "--engine", "openai", "--port", "0", *words),
        env={**os.environ, "COGITATE_LOG_LEVEL": "debug", **environment},  # noqa: TID251  a test run has no settings
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    async with asyncio.timeout(30):
        while b"ready:" not in (line := await process.stdout.readline()):
            assert line, (await process.stderr.read()).decode()  # type: ignore[union-attr]
    url = line.decode().split(" on ")[1].strip()
    async with httpx.AsyncClient(base_url=url, timeout=10) as client:
        yield client, process


async def stop_and_read_output(process: asyncio.subprocess.Process) -> bytes:
    """Stop the server and return its complete output."""
    process.send_signal(signal.SIGTERM)
    out, err = await asyncio.wait_for(process.communicate(), 20)
    assert process.returncode == 0, err.decode()
    return out + err


async def test_serve_responds_from_the_upstream_without_logging_secrets():
    async with start_upstreams(Script(key=KEY)) as (fake,):
        async with serving("--upstream", fake.url, COGITATE_UPSTREAM_API_KEY=KEY) as (client, process):
            plain = await client.post("/chat/completions", json=QUESTION)
            voted = await client.post("/chat/completions", json=QUESTION | {"strategy": "self_consistency"})
            streamed = await client.post("/chat/completions", json=QUESTION | {"stream": True})
            searched = await client.post("/chat/completions", json=QUESTION | {"strategy": "beam_search"})
            fake.script.key = "changed"
            refused = await client.post("/chat/completions", json=QUESTION)
            output = await stop_and_read_output(process)
        assert plain.json()["choices"][0]["message"]["content"].endswith("\\boxed{72}.")
        assert voted.json()["cogitate"]["answer"] == "72" and voted.json()["usage"]["completion_tokens"] > 50
        assert streamed.text.endswith("data: [DONE]\n\n")
        assert searched.status_code == 200, searched.text
        assert refused.status_code == 502
        for word in (KEY, "canary-prompt", "Incorrect", "Traceback"):
            assert word.encode() not in output and word not in refused.text


async def test_missing_ability_is_a_400_with_param():
    async with start_upstreams(Script(vllm=False)) as (fake,):
        async with serving("--upstream", fake.url, "--upstream-abilities", "none") as (client, process):
            search = await client.post("/chat/completions", json=QUESTION | {"strategy": "beam_search"})
            seeded = await client.post("/chat/completions", json=QUESTION | {"strategy": "self_consistency", "seed": 1})
            await stop_and_read_output(process)
        assert (search.status_code, search.json()["error"]["param"]) == (400, "strategy")
        assert (seeded.status_code, seeded.json()["error"]["param"]) == (400, "seed")


async def test_client_disconnect_aborts_upstream_calls():
    async with (
        start_upstreams(Script(pace=0.05, texts=["word " * 400])) as (fake,),
        serving("--upstream", fake.url, "--upstream-abilities", "none") as (client, process),
    ):
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(0.5):
                await client.post("/chat/completions", json=QUESTION | {"strategy": "self_consistency"})
        async with asyncio.timeout(1):
            while fake.counters.in_flight:  # noqa: ASYNC110 another process changes it
                await asyncio.sleep(0.01)
        assert fake.counters.max_in_flight > 1
        await stop_and_read_output(process)
