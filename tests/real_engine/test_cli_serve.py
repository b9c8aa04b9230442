"""`cogitate serve` as a process: start, the printed curl command, the official client, signals, errors on start."""

import contextlib
import os
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

from tests.fakes.live_server import eventually
from tests.fakes.otlp_receiver import OtlpReceiver, otlp_receiver
from tests.resilience.measure import read_metric
from tests.server.sandbox.backends import unavailable_reason

pytestmark = pytest.mark.engine
COGITATE = [sys.executable, "-m", "cogitate.server"]
CHAT = [{"role": "user", "content": "What is 13 + 29?"}]
LIMIT = 240


@dataclass(slots=True)
class ServerProcess:
    process: "subprocess.Popen[str]"
    url: str
    output: str
    """Standard output and error up to the ready line."""
    engine_log: Path | None = None
    receiver: OtlpReceiver | None = None
    """Where it sends its spans, if it is traced."""

    def ask(self, timeout: float = 60, headers: dict[str, str] | None = None, **fields: object) -> httpx.Response:
        body = {"model": "smollm2-135m-instruct", "messages": CHAT, "max_tokens": 40} | fields
        return httpx.post(f"{self.url}/v1/chat/completions", json=body, timeout=timeout, headers=headers)


@contextlib.contextmanager
def start(*arguments: str, **variables: str) -> Iterator["subprocess.Popen[str]"]:
    command = [*COGITATE, "serve", "--port", "0", "--engine-args", '{"max_model_len": 2048}', *arguments]
    environment = os.environ | {"VLLM_LOG_STATS_INTERVAL": "1"} | variables  # noqa: TID251  a test run has no settings
    process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    try:
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(60)
        process.stdout.close()


def wait_until_ready(process: "subprocess.Popen[str]", engine_log: Path | None = None) -> ServerProcess:
    output = ""
    end = time.monotonic() + LIMIT
    while "Stop: Ctrl-C" not in output:
        line = process.stdout.readline()
        output += line
        assert line and time.monotonic() < end, output
    return ServerProcess(process, re.search(r"ready: \S+ on (http://[^/\s]+)", output)[1], output, engine_log)


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[ServerProcess, ServerProcess]]:
    """A server with a reward model and a sandbox, and one without; each takes a core while it starts."""
    from tests.fakes import tiny_reward_models

    folder = tmp_path_factory.mktemp("prm")
    tiny_reward_models.build(folder)
    sandbox = ["--code-exec", next(how for how in ("bwrap", "landlock") if not unavailable_reason(how))]
    log = folder / "engine.log"
    logs = ["--enable-log-requests", "--engine-log", str(log)]
    with (
        start("--reward-model", str(folder), "--drain-seconds", "20", *sandbox, *logs) as full,
        otlp_receiver() as receiver,
        start(OTEL_EXPORTER_OTLP_ENDPOINT=receiver.url, OTEL_BSP_SCHEDULE_DELAY="100") as plain,
    ):
        traced = wait_until_ready(plain)
        traced.receiver = receiver
        yield wait_until_ready(full, log), traced


@pytest.fixture(scope="module")
def server(servers: tuple[ServerProcess, ServerProcess]) -> ServerProcess:
    return servers[0]


def test_the_start_prints_progress_and_a_curl_command_that_works(server):
    assert re.search(r"^\[ +\d+\.\d s\] loading smollm2", server.output, re.M)
    command = re.search(r"curl .*", server.output).group()
    answer = subprocess.run(command, shell=True, capture_output=True, text=True, timeout=120)
    assert '"cogitate"' in answer.stdout and '"strategy":"self_consistency"' in answer.stdout


@pytest.mark.parametrize("strategy", ["chain_of_thought", "self_consistency"])
def test_the_official_client_selects_strategies_by_field_and_by_model_name(server, strategy):
    with openai.OpenAI(base_url=f"{server.url}/v1", api_key="none", max_retries=0) as client:
        request_strategy(client, strategy)


def request_strategy(client: openai.OpenAI, strategy: str) -> None:
    response = client.chat.completions.create(
        model="smollm2-135m-instruct", messages=CHAT, max_tokens=60, extra_body={"strategy": strategy}
    )
    assert response.choices[0].message.content and response.cogitate["strategy"] == strategy
    chunks = list(
        client.chat.completions.create(
            model=f"smollm2-135m-instruct@{strategy}", messages=CHAT, max_tokens=60, stream=True, temperature=0.9
        )
    )
    assert chunks[-1].cogitate["strategy"] == strategy


def test_vllms_spans_are_below_those_of_our_decodes(servers):
    """Set by OpenTelemetry's own variable alone; both are of one service."""
    receiver, trace, sender = servers[1].receiver, os.urandom(16).hex(), os.urandom(8).hex()
    strategy = {"name": "self_consistency", "n": 3, "stop_rule": "none"}
    headers = {"traceparent": f"00-{trace}-{sender}-01"}
    assert servers[1].ask(strategy=strategy, headers=headers).status_code == 200
    eventually(lambda: len(receiver.find_trace(trace)) == 7)
    spans = receiver.find_trace(trace)
    (root,) = [span for span in spans if span.parent == sender]
    decodes = {span.id: span for span in spans if span.parent == root.id}
    vllms = [span for span in spans if span.name == "llm_request"]
    assert len(decodes) == 3 and {span.parent for span in vllms} == decodes.keys()
    assert {span.service for span in spans} == {"cogitate"}
    for span in vllms:
        above = decodes[span.parent]
        assert above.start - 2_000_000 <= span.start <= span.end <= above.end + 2_000_000, "within 2 ms of the clocks"
        assert span.attributes["gen_ai.usage.completion_tokens"] == above.attributes["gen_ai.usage.output_tokens"]
        assert span.attributes["gen_ai.usage.prompt_tokens"] == above.attributes["gen_ai.usage.input_tokens"]


@pytest.mark.parametrize("strategy", ["best_of_n", "beam_search"])
def test_a_served_reward_model_scores_candidates(server, strategy):
    body = server.ask(strategy={"name": strategy, "n": 4, "verifier": "reward", "aggregation": "min"}).json()
    assert 0 <= body["cogitate"]["score"] <= 1 and body["cogitate"]["verifier_tokens"] > 0
    assert body["usage"]["prompt_tokens"] >= body["cogitate"]["verifier_tokens"]


def test_program_aided_runs_model_written_programs_in_the_sandbox(server):
    """The demo model's programs are often wrong: each is run, and one that fails has no vote."""
    cogitate = server.ask(strategy={"name": "program_aided", "n": 3, "stop_rule": "none"}, max_tokens=120).json()[
        "cogitate"
    ]
    assert cogitate["strategy"] == "program_aided" and cogitate["candidates"] == 3


def test_confidence_and_programmatic_verifiers_need_no_second_model(server):
    for verifier in ("confidence", "programmatic"):
        result = server.ask(strategy={"name": "best_of_n", "n": 4, "verifier": verifier}).json()["cogitate"]
        assert 0 <= result["score"] <= 1 and result["verifier_tokens"] == 0


def test_model_grades_candidates_by_letters_or_says_that_it_gave_none(server):
    strategy = {"name": "best_of_n", "n": 2, "verifier": "graded", "criteria": ["Is it right?", "Is it brief?"]}
    result = server.ask(strategy=strategy).json()["cogitate"]
    assert result["verifier_tokens"] == 4
    graded = result["score"] is not None and 0 <= result["score"] <= 1
    assert graded or any(warning.startswith("graded: ") for warning in result["warnings"])


def test_a_deadline_returns_the_best_answer_so_far(server):
    began = time.monotonic()
    body = server.ask(
        strategy={"name": "self_consistency", "n": 8, "stop_rule": "none"},
        budget={"seconds": 1.5},
        max_tokens=1000,
        min_tokens=900,
    ).json()
    assert time.monotonic() - began < 3 and body["cogitate"]["stopped"] == "deadline"
    assert body["choices"][0]["message"]["content"] and body["choices"][0]["finish_reason"] == "length"


def test_metrics_include_our_own_and_vllms(server):
    text = httpx.get(f"{server.url}/metrics").text
    assert "cogitate_generated_tokens_total" in text and "vllm:generation_tokens_total" in text


@pytest.mark.parametrize("stream", [False, True])
def test_tokens_of_plain_requests_are_those_that_vllm_generates(server, stream):
    before = read_tokens(server)
    server.ask(max_tokens=20, min_tokens=20, stream=stream)
    ours, vllms = (after - earlier for after, earlier in zip(read_tokens(server), before, strict=True))
    assert ours == vllms == 20


def read_tokens(server: ServerProcess) -> tuple[float, float]:
    """Return the tokens of plain requests that we have counted, and those that vLLM has generated."""
    text = httpx.get(f"{server.url}/metrics").text
    generated = re.findall(r"^vllm:generation_tokens_total\S* (\S+)", text, re.MULTILINE)
    return read_metric(text, 'cogitate_generated_tokens_total{fate="kept",strategy="none"}'), sum(map(float, generated))


def test_sequence_whose_prompt_is_being_read_does_not_wait(server):
    loads = []
    messages = [{"role": "user", "content": f"{time.monotonic()} " + "one two three " * 400}]
    with ThreadPoolExecutor(1) as pool:
        answer = pool.submit(server.ask, messages=messages, max_tokens=2)
        while not answer.done():
            text = httpx.get(f"{server.url}/metrics").text
            loads.append([read_metric(text, f"cogitate_engine_{name}") for name in ("running", "waiting")])
    assert answer.result().status_code == 200
    assert [1, 0] in loads and not any(waiting for _, waiting in loads)


def test_metrics_contain_no_text_of_prompts(server):
    server.ask(messages=[{"role": "user", "content": "xyzzy-canary"}], strategy="self_consistency")
    assert "xyzzy" not in httpx.get(f"{server.url}/metrics").text


def test_the_engine_log_has_requests_and_statistics_as_under_vllm_serve(server):
    number = server.ask(max_tokens=80, min_tokens=80).json()["id"]
    end = time.monotonic() + 20
    while "Avg generation throughput" not in (text := server.engine_log.read_text()) and time.monotonic() < end:
        time.sleep(0.2)
    assert f"Received request {number}" in text and "Avg generation throughput" in text


def find_engines(process: "subprocess.Popen[str]") -> list[psutil.Process]:
    """The engines' own processes: that of the model, and that of a reward model."""
    children = psutil.Process(process.pid).children()
    return [each for each in children if "EngineCore" in each.name() + str(each.cmdline())]


def test_ctrl_c_in_the_terminal_does_not_reach_the_engine(server):
    with ThreadPoolExecutor() as pool:
        answer = pool.submit(server.ask, strategy="chain_of_thought", max_tokens=60, min_tokens=50)
        time.sleep(0.5)
        engines = find_engines(server.process)
        for process in (*engines, *(child for engine in engines for child in engine.children(recursive=True))):
            process.send_signal(signal.SIGINT)
        assert answer.result().status_code == 200
    assert len(engines) == 2 and engines == find_engines(server.process)
    assert server.ask(max_tokens=2).status_code == 200


def test_sigterm_finishes_running_requests_rejects_new_ones_and_exits_with_0(server):
    """Must be the last test of this server, which it ends."""
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
    log = server.process.stdout.read()
    assert "Traceback" not in log
    (line,) = re.findall(rf".*id={answers[0].headers['x-request-id']}.*", log)
    assert "INFO cogitate.requests: POST /v1/chat/completions 200" in line and "strategy=chain_of_thought" in line
    tokens = answers[0].json()["usage"]["completion_tokens"]
    assert f"tokens={tokens} " in line


def test_a_killed_engine_process_ends_the_server_with_exit_code_1(servers):
    server = servers[1]
    answers: list[httpx.Response] = []
    long = {"strategy": "self_consistency", "max_tokens": 1500, "min_tokens": 1400}
    asking = threading.Thread(target=lambda: answers.append(server.ask(**long)))
    asking.start()
    time.sleep(2)
    (engine,) = find_engines(server.process)
    engine.kill()
    began = time.monotonic()
    asking.join(8)
    assert server.process.wait(8) == 1 and time.monotonic() - began < 8
    assert answers and answers[0].status_code == 503
    assert answers[0].json()["error"]["code"] == "engine_dead"
    last = server.process.stdout.read().strip().splitlines()[-1]
    assert last.startswith("cogitate: the engine's process died")


def run(*arguments: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [*COGITATE, *arguments],
        capture_output=True,
        text=True,
        timeout=LIMIT,
    )


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["serve", "--nonsense"], 2, "unrecognized arguments"),
        (["serve", "--port", "many"], 2, "--port"),
        (["serve", "--port", "70000"], 2, "--port"),
        (["serve", "--host", "0.0.0.0"], 2, "other machines can reach"),
        (["serve", "--engine-args", "{oops"], 2, "is not JSON"),
        (["serve", "--redis-url", "http://:hunter2@nowhere"], 1, "redis"),
        (["serve", "/no/such/folder"], 1, "not a model folder"),
        (["serve", "--api-keys-file", "/no/such/file"], 1, "keys file"),
        ([], 2, "COMMAND"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else None,
)
def test_an_invalid_command_line_is_one_line_on_stderr(arguments, code, message):
    done = run(*arguments, *(["--port", "0"] if arguments[:1] == ["serve"] and "--port" not in arguments else []))
    assert done.returncode == code, done.stderr
    assert message in done.stderr and "hunter2" not in done.stderr
    assert is_one_line(done)


def is_one_line(done: "subprocess.CompletedProcess[str]") -> bool:
    error = done.stderr
    return error.startswith("cogitate: ") and error.count("\n") == 1 and "Traceback" not in done.stdout + error


@pytest.mark.faults
def test_a_model_that_vllm_cannot_serve_is_one_line_with_vllms_reason(tmp_path: Path):
    """The reason comes from whichever of vLLM's processes fails. Each start takes a while, so all run at once."""
    (tmp_path / "config.json").write_text("{}")
    starts = {
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
        ends = pool.map(lambda arguments: run("serve", "--port", "0", *arguments), starts.values())
        for reason, done in zip(starts, ends, strict=True):
            code = 2 if reason == "bogus" else 1  # a flag that nobody knows is a mistake of the command line
            assert done.returncode == code and reason in done.stderr and is_one_line(done), done.stderr


def test_a_port_in_use_is_one_line_on_stderr():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        done = run("serve", "--port", str(taken.getsockname()[1]))
    assert done.returncode == 1 and "cannot listen" in done.stderr and is_one_line(done)


def test_keys_new_prints_the_key_once_and_stores_only_its_digest(tmp_path: Path):
    path = tmp_path / "keys"
    done = run("keys", "new", "team", "--api-keys-file", str(path))
    key = done.stdout.strip()
    assert done.returncode == 0 and key.startswith("cog-") and len(key) >= 32
    assert key not in path.read_text() and path.read_text().split()[1] == "team"
    assert path.stat().st_mode & 0o077 == 0


def test_help_shows_usage_and_an_example_request():
    assert "usage: cogitate" in run("--help").stdout
    assert '"strategy"' in run("serve", "--help").stdout
