"""The command itself, as a person starts it: a process, the demo model, curl, the official client, Ctrl-C."""

import contextlib
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import httpx
import openai
import psutil
import pytest

from tests.server.sandbox.backends import reason_not_to

pytestmark = pytest.mark.engine
COGITATE = [sys.executable, "-m", "cogitate.server"]
CHAT = [{"role": "user", "content": "What is 13 + 29?"}]
LIMIT = 240


@dataclass(slots=True)
class Served:
    process: "subprocess.Popen[str]"
    url: str
    said: str

    def ask(self, timeout: float = 60, **fields: object) -> httpx.Response:
        body = {"model": "smollm2-135m-instruct", "messages": CHAT, "max_tokens": 40} | fields
        return httpx.post(f"{self.url}/v1/chat/completions", json=body, timeout=timeout)


@contextlib.contextmanager
def started(*arguments: str) -> Iterator["subprocess.Popen[str]"]:
    command = [*COGITATE, "serve", "--port", "0", "--engine-args", '{"max_model_len": 2048}', *arguments]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    try:
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(60)
        process.stdout.close()


def ready(process: "subprocess.Popen[str]") -> Served:
    said = ""
    end = time.monotonic() + LIMIT
    while "Stop: Ctrl-C" not in said:
        line = process.stdout.readline()
        said += line
        assert line and time.monotonic() < end, said
    return Served(process, re.search(r"http://[^/\s]+", said).group(), said)


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Served, Served]]:
    """One with all there is, and a plain one: each takes a core as it starts."""
    from tests.fakes import tiny_reward_models

    folder = tmp_path_factory.mktemp("prm")
    tiny_reward_models.build(folder)
    sandbox = ["--code-exec", next(how for how in ("bwrap", "landlock") if not reason_not_to(how))]
    with started("--reward-model", str(folder), "--drain-seconds", "20", *sandbox) as full, started() as plain:
        yield ready(full), ready(plain)


@pytest.fixture(scope="module")
def server(servers: tuple[Served, Served]) -> Served:
    return servers[0]


def test_it_says_what_it_does_and_ends_with_a_curl_to_paste(server):
    assert re.search(r"^\[ +\d+\.\d s\] loading smollm2", server.said, re.M)
    command = re.search(r"curl .*", server.said).group()
    answer = subprocess.run(command, shell=True, capture_output=True, text=True, timeout=120)
    assert '"cogitate"' in answer.stdout and '"strategy":"self_consistency"' in answer.stdout


@pytest.mark.parametrize("strategy", ["chain_of_thought", "self_consistency"])
def test_the_official_client_uses_strategies(server, strategy):
    with openai.OpenAI(base_url=f"{server.url}/v1", api_key="none", max_retries=0) as client:
        uses(client, strategy)


def uses(client: openai.OpenAI, strategy: str) -> None:
    whole = client.chat.completions.create(
        model="smollm2-135m-instruct", messages=CHAT, max_tokens=60, extra_body={"strategy": strategy}
    )
    assert whole.choices[0].message.content and whole.cogitate["strategy"] == strategy
    chunks = list(
        client.chat.completions.create(
            model=f"smollm2-135m-instruct@{strategy}", messages=CHAT, max_tokens=60, stream=True, temperature=0.9
        )
    )
    assert chunks[-1].cogitate["strategy"] == strategy


@pytest.mark.parametrize("strategy", ["best_of_n", "beam_search"])
def test_a_served_reward_model_guides_them(server, strategy):
    body = server.ask(strategy={"name": strategy, "n": 4, "verifier": "reward", "aggregation": "min"}).json()
    assert 0 <= body["cogitate"]["score"] <= 1 and body["cogitate"]["verifier_tokens"] > 0
    assert body["usage"]["prompt_tokens"] >= body["cogitate"]["verifier_tokens"]


def test_a_program_that_the_model_writes_runs_in_the_sandbox(server):
    """The demo model's programs are its own affair: each is run, and one that fails has no vote."""
    cogitate = server.ask(strategy={"name": "program_aided", "n": 3, "stop_rule": "none"}, max_tokens=120).json()[
        "cogitate"
    ]
    assert cogitate["strategy"] == "program_aided" and cogitate["candidates"] == 3


def test_confidence_and_arithmetic_need_no_model_of_their_own(server):
    for verifier in ("confidence", "programmatic"):
        found = server.ask(strategy={"name": "best_of_n", "n": 4, "verifier": verifier}).json()["cogitate"]
        assert 0 <= found["score"] <= 1 and found["verifier_tokens"] == 0


def test_a_deadline_is_kept_on_the_real_engine(server):
    began = time.monotonic()
    body = server.ask(
        strategy={"name": "self_consistency", "n": 8, "stop_rule": "none"},
        budget={"seconds": 1.5},
        max_tokens=1000,
        min_tokens=900,
    ).json()
    assert time.monotonic() - began < 3 and body["cogitate"]["stopped"] == "deadline"
    assert body["choices"][0]["message"]["content"] and body["choices"][0]["finish_reason"] == "length"


def test_both_kinds_of_metrics_are_there(server):
    text = httpx.get(f"{server.url}/metrics").text
    assert "cogitate_tokens_total" in text and "vllm:generation_tokens_total" in text


def test_nothing_of_the_prompt_is_in_the_metrics(server):
    server.ask(messages=[{"role": "user", "content": "xyzzy-canary"}], strategy="self_consistency")
    assert "xyzzy" not in httpx.get(f"{server.url}/metrics").text


def test_sigterm_drains_and_exits_cleanly(server):
    """Last, for it ends the server: what is under way is finished, new work is refused, the exit code is 0."""
    answers: list[httpx.Response] = []
    asking = threading.Thread(
        target=lambda: answers.append(server.ask(strategy="chain_of_thought", max_tokens=150, min_tokens=140))
    )
    asking.start()
    time.sleep(1)
    server.process.send_signal(signal.SIGTERM)
    time.sleep(0.2)
    assert httpx.get(f"{server.url}/health/ready").status_code == 503
    assert server.ask().status_code == 503
    asking.join()
    assert answers[0].status_code == 200 and answers[0].json()["usage"]["completion_tokens"] >= 140
    assert server.process.wait(60) == 0
    assert "Traceback" not in (server.process.stdout.read() if server.process.stdout else "")


def test_a_killed_engine_ends_the_process_for_its_supervisor(servers):
    served = servers[1]
    answers: list[httpx.Response] = []
    long = {"strategy": "self_consistency", "max_tokens": 1500, "min_tokens": 1400}
    asking = threading.Thread(target=lambda: answers.append(served.ask(**long)))
    asking.start()
    time.sleep(2)
    (engine,) = [
        p for p in psutil.Process(served.process.pid).children() if "EngineCore" in p.name() + str(p.cmdline())
    ]
    engine.kill()
    began = time.monotonic()
    asking.join(8)
    assert served.process.wait(8) == 1 and time.monotonic() - began < 8
    assert answers and answers[0].status_code == 503 and answers[0].json()["error"]["code"] == "engine_dead"
    last = served.process.stdout.read().strip().splitlines()[-1]
    assert last.startswith("cogitate: the engine's process died")


def failing(*arguments: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [*COGITATE, *arguments],
        capture_output=True,
        text=True,
        timeout=LIMIT,
    )


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["serve", "--nonsense"], 2, "unrecognized arguments"),
        (["serve", "--port", "many"], 2, "--port"),
        (["serve", "--port", "70000"], 2, "--port"),
        (["serve", "--host", "0.0.0.0"], 2, "can be reached by others"),
        (["serve", "--engine-args", "{oops"], 2, "is not JSON"),
        (["serve", "--redis-url", "http://:hunter2@nowhere"], 1, "redis"),
        (["serve", "/no/such/folder"], 1, "no model folder"),
        (["serve", "--api-keys-file", "/no/such/file"], 1, "keys file"),
        ([], 2, "COMMAND"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else None,
)
def test_what_cannot_be_served_is_one_clear_line(arguments, code, words):
    done = failing(*arguments, *(["--port", "0"] if arguments[:1] == ["serve"] and "--port" not in arguments else []))
    assert done.returncode == code, done.stderr
    assert words in done.stderr and "hunter2" not in done.stderr
    assert is_one_clear_line(done)


def is_one_clear_line(done: "subprocess.CompletedProcess[str]") -> bool:
    said = done.stderr
    return said.startswith("cogitate: ") and said.count("\n") == 1 and "Traceback" not in done.stdout + said


def test_what_vllm_cannot_serve_is_one_clear_line(tmp_path: Path):
    """vLLM's own words, of whichever of its processes: it takes each of them a while, and so they are tried at once."""
    (tmp_path / "config.json").write_text("{}")
    tries = {
        "bogus": ["--engine-args", '{"bogus": 1}'],
        "max_model_len": ["--engine-args", '{"max_model_len": 99999999}'],
        "": [str(tmp_path)],
        "Available memory on node": [
            "--engine-args",
            '{"gpu_memory_utilization": 1}',
            "--engine-log",
            f"{tmp_path}/log",
        ],
    }
    with ThreadPoolExecutor() as pool:
        ends = pool.map(lambda arguments: failing("serve", "--port", "0", *arguments), tries.values())
        for words, done in zip(tries, ends, strict=True):
            assert done.returncode == 1 and words in done.stderr and is_one_clear_line(done), done.stderr


def test_a_port_that_is_taken_is_one_clear_line():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        done = failing("serve", "--port", str(taken.getsockname()[1]))
    assert done.returncode == 1 and "cannot listen" in done.stderr and is_one_clear_line(done)


def test_keys_are_made_and_only_their_digest_is_kept(tmp_path: Path):
    path = tmp_path / "keys"
    done = failing("keys", "new", "team", "--api-keys-file", str(path))
    key = done.stdout.strip()
    assert done.returncode == 0 and key.startswith("cog-") and len(key) >= 32
    assert key not in path.read_text() and path.read_text().split()[1] == "team"
    assert path.stat().st_mode & 0o077 == 0


def test_help_teaches():
    assert "usage: cogitate" in failing("--help").stdout
    assert '"strategy"' in failing("serve", "--help").stdout
