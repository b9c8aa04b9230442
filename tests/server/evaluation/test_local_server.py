"""`cogitate eval --model`: starts a server in a process of its own, here over a scripted upstream."""

import asyncio
import json
import os
import re
import sys
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from io import StringIO
from pathlib import Path

import httpx
import psutil
import pytest

from cogitate.server.evaluation.local_server import ModelNotServed, serve_model
from tests.fakes.upstream import FakeUpstream, Script

ROW = {"question": "What is 6*7, plus 30?", "answer": "#### 72"}
SCRIPTED = (sys.executable, "-m", "tests.resilience.faulty_server", "serve")


def processes(word: str) -> list[psutil.Process]:
    return [p for p in psutil.process_iter(["cmdline"]) if word in (p.info["cmdline"] or [])]


@asynccontextmanager
async def evaluating(fake: FakeUpstream, folder: Path, *more: str) -> AsyncIterator[asyncio.subprocess.Process]:
    (folder / "sums.jsonl").write_text(json.dumps(ROW) + "\n")
    command = (
        sys.executable,
        "-m",
        "cogitate.server",
        "eval",
        str(folder / "sums.jsonl"),
        "--model",
        fake.script.model,
    )
    arm = ("--strategy", "self_consistency:n=4")
    upstream = {"COGITATE_ENGINE": "openai", "COGITATE_UPSTREAM": fake.url, "COGITATE_PORT": "1"}
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(
        *command,
        *(more or arm),
        env={**os.environ, **upstream},  # noqa: TID251  a test run has no settings
        stdout=pipe,
        stderr=pipe,
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


async def wait_until_gone(word: str, seconds: float = 10) -> None:
    async with asyncio.timeout(seconds):
        while processes(word):  # noqa: ASYNC110 another process brings it about
            await asyncio.sleep(0.05)


@pytest.fixture
async def fake() -> AsyncIterator[FakeUpstream]:
    async with FakeUpstream(Script(model=f"fake-{uuid.uuid4().hex}")) as upstream:
        yield upstream


async def test_server_runs_as_long_as_the_evaluation(fake: FakeUpstream, tmp_path: Path):
    async with evaluating(fake, tmp_path) as process:
        table, log = await process.communicate()
    assert process.returncode == 0, log.decode()
    assert b"| `self_consistency:n=4` | 100.0 |" in table and b"Traceback" not in log
    assert re.search(rb"serving fake-\w+ on http://127", log)
    assert not processes(fake.script.model)


async def test_server_is_the_fallback_of_a_replay(fake: FakeUpstream, tmp_path: Path):
    bank, judge = ("--bank", str(tmp_path / "bank.jsonl")), ("--strategy", "best_of_n:n=2,verifier=judge")
    for fill in (("--fill", "2"), ()):
        async with evaluating(fake, tmp_path, *bank, *fill, *judge, "--repeats", "1") as process:
            table, log = await process.communicate()
        assert process.returncode == 0, log.decode()
        assert re.search(rb"`best_of_n:n=2,verifier=judge` \| 100.0 .* \| 0 \| 2 \| 2.0 \|", table), "two verdicts"
        assert not processes(fake.script.model)


@pytest.mark.faults
@pytest.mark.parametrize("how", ["terminate", "kill"])
async def test_killed_evaluation_leaves_no_server(fake: FakeUpstream, tmp_path: Path, how: str):
    fake.script.pace = 0.5
    async with evaluating(fake, tmp_path) as process:
        async with asyncio.timeout(30):
            while not fake.counters.in_flight:  # noqa: ASYNC110
                await asyncio.sleep(0.05)
        assert len(processes(fake.script.model)) == 2
        {"terminate": process.terminate, "kill": process.kill}[how]()
        await wait_until_gone(fake.script.model)


async def test_server_ends_with_its_block_and_the_blocks_error_is_unchanged():
    output = StringIO()
    with pytest.raises(ValueError, match="of the run"):
        async with serve_model("", output, SCRIPTED) as url, httpx.AsyncClient() as client:
            assert (await client.get(f"{url}/health/ready")).status_code == 200
            raise ValueError("of the run")
    assert output.getvalue() == f"control on {output.getvalue().split()[2]}\nserving scripted on {url}\n"
    async with httpx.AsyncClient() as client:
        with pytest.raises(httpx.ConnectError):
            await client.get(f"{url}/health/ready")


async def test_missing_model_is_reported_with_the_servers_message():
    with pytest.raises(ModelNotServed, match=r"^the model is not served: /no/such/ is not a model folder"):
        async with serve_model("/no/such/", StringIO()):
            pass
