"""deploy/gpu, as far as a processor goes: parts, the model's folder, and the measurement over a scripted upstream."""

import asyncio
import re
import socket
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from jinja2 import Template
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route
from tokenizers import Tokenizer

from deploy.gpu.measure import Rig, measure_aborts, measure_prefix
from deploy.gpu.write_model import CHAT_TEMPLATE, CONFIG, VOCABULARY, write_model
from tests.bench.processes import run_fake_upstream
from tests.deploy import DEPLOY, run

GPU = DEPLOY / "gpu"
PARAMETERS_OF_QWEN_7B = 7_615_616_512


def test_scripts_parse_and_explain_themselves() -> None:
    for script in GPU.glob("*.sh"):
        run("bash", "-n", script)
        assert script.name in run(script, "--help")
    for program in GPU.glob("*.py"):
        assert "usage:" in run(sys.executable, program, "--help")


def test_parts_are_joined_and_a_damaged_one_is_refused(tmp_path: Path) -> None:
    wheels, parts, carry = tmp_path / "wheels", tmp_path / "parts", GPU / "carry.sh"
    wheels.mkdir()
    contents = {"vllm-0.32.0.whl": bytes(range(256)) * 10_000, "a-1.whl": b"small"}
    for name, content in contents.items():
        (wheels / name).write_bytes(content)
    run(carry, "pack", wheels, parts, "1")
    assert len(list(parts.glob("vllm*"))) == 3 and max(path.stat().st_size for path in parts.iterdir()) <= 2**20
    run(carry, "join", parts, tmp_path / "joined")
    assert {path.name: path.read_bytes() for path in (tmp_path / "joined").iterdir()} == contents
    (wheels / "empty.whl").touch()
    done = subprocess.run([carry, "pack", wheels, tmp_path / "new"], capture_output=True, text=True)
    assert done.returncode == 1 and "empty.whl is empty" in done.stderr
    (parts / "vllm-0.32.0.whl.part0001").write_bytes(b"damaged")
    done = subprocess.run([carry, "join", parts, tmp_path / "again"], capture_output=True, text=True)
    assert done.returncode == 1 and "missing or damaged" in done.stderr and not (tmp_path / "again").exists()


def test_model_has_the_shape_of_qwen_7b_and_text_for_every_id(tmp_path: Path) -> None:
    write_model(tmp_path)
    tokenizer = Tokenizer.from_file(str(tmp_path / "tokenizer.json"))
    assert tokenizer.get_vocab_size() == VOCABULARY == CONFIG["vocab_size"]
    text = "What is 13 + 29? ä 漢\n"
    assert tokenizer.decode(tokenizer.encode(text).ids) == text
    assert all(tokenizer.id_to_token(number) for number in range(VOCABULARY)) and " w7" in tokenizer.decode([263])
    prompt = Template(CHAT_TEMPLATE).render(messages=[{"role": "user", "content": "Hi"}], add_generation_prompt=True)
    ids = tokenizer.encode(prompt).ids
    assert tokenizer.id_to_token(ids[0]) == "<|im_start|>" and CONFIG["eos_token_id"] in ids and len(ids) < 30
    assert count_parameters() == PARAMETERS_OF_QWEN_7B


def count_parameters() -> int:
    hidden, ffn, layers = CONFIG["hidden_size"], CONFIG["intermediate_size"], CONFIG["num_hidden_layers"]
    kv = hidden // CONFIG["num_attention_heads"] * CONFIG["num_key_value_heads"]
    attention = 2 * hidden * hidden + hidden + 2 * (hidden * kv + kv)
    return 2 * VOCABULARY * hidden + layers * (attention + 3 * hidden * ffn + 2 * hidden) + hidden


@pytest.fixture
def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


@pytest.mark.slow
@pytest.mark.live
def test_script_measures_an_engine_that_runs_and_ends_what_it_started(tmp_path: Path, free_port: int) -> None:
    arguments = ["--samples", "1", "4", "--rounds", "2", "--tokens", "8"]
    with run_fake_upstream("--text", "so it is \\boxed{42}") as upstream:
        environment = {
            "UPSTREAM": f"{upstream.url}/v1",
            "SERVER_PORT": str(free_port),
            "PYTHON": sys.executable,
            "PATH": "/usr/bin:/bin",
        }
        run(GPU / "run.sh", "-", tmp_path, *arguments, env=environment)
    table = (tmp_path / "gpu.md").read_text()
    rows = [line.split(" | ") for line in table.splitlines() if line.startswith("| ")][1:]
    assert len([row for row in rows if "tokens/s" in row[1]]) == 8 and "no GPU" in table
    figures = [row[1] for row in rows if "no such metric" not in row[1]]
    assert len(figures) == 10 and all(re.match(r"[\d,.]+ \([\d,.]+ to [\d,.]+\) ", figure) for figure in figures)
    stopped = subprocess.run(["bash", "-c", f": </dev/tcp/127.0.0.1/{free_port}"], capture_output=True)
    assert stopped.returncode != 0


def test_engine_that_ends_is_reported_with_its_log(tmp_path: Path) -> None:
    python = tmp_path / "python"
    python.write_text(
        f'#!/bin/bash\n[[ "$*" != *vllm.entrypoints* ]] || exec echo "no CUDA"\nexec {sys.executable} "$@"\n'
    )
    python.chmod(0o755)
    environment = {"PYTHON": str(python), "PATH": "/usr/bin:/bin", "ENGINE_PORT": "9"}
    command = [GPU / "run.sh", "-", tmp_path / "out"]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=60)
    assert done.returncode == 1 and done.stderr.splitlines() == ["run.sh: the engine has ended", "no CUDA"]
    assert (tmp_path / "out/model/config.json").is_file()


@dataclass(slots=True)
class ScriptedMetrics:
    """An engine that has nine of ten tokens of a prompt in its cache, and decodes long answers until it is left."""

    hits: int = 0
    queries: int = 0
    running: int = 0

    async def chat(self, request: Request) -> Response:
        body = await request.json()
        n = body.get("n") or body.get("strategy", {}).get("n") or 1
        self.hits, self.queries = self.hits + 90 * n, self.queries + 100 * n
        if body["max_tokens"] > 1000:
            self.running += n
            try:
                await asyncio.sleep(30)
            finally:
                self.running -= n
        return JSONResponse({})

    async def metrics(self, _: Request) -> Response:
        text = f'vllm:prefix_cache_hits_total{{engine="0"}} {self.hits}.0\n'
        text += f'vllm:prefix_cache_queries_total{{engine="0"}} {self.queries}.0\n'
        return PlainTextResponse(f'# HELP\n{text}vllm:num_requests_running{{engine="0"}} {self.running}.0\n')


async def test_prefix_hits_and_aborts_are_read_from_the_engines_metrics() -> None:
    scripted = ScriptedMetrics()
    app = Starlette(
        routes=[Route("/v1/chat/completions", scripted.chat, methods=["POST"]), Route("/metrics", scripted.metrics)]
    )
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app)) as client:
        rig = Rig(client, "http://engine", "http://server", "random-7b", 2, 8, settle_seconds=0.05)
        await measure_prefix(rig)
        await measure_aborts(rig)
    assert [figure for what, figure in rig.rows if "prefix" in what] == ["90.0 (90.0 to 90.0) % of its tokens"] * 3
    assert sum("ms until nothing runs" in figure for _, figure in rig.rows) == 2 and scripted.running == 0
