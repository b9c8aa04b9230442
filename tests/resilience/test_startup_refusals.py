"""Unsafe or invalid configuration ends the start with one line, and defaults are safe."""

import os
import socket
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from tests.bench.processes import run_fake_upstream
from tests.resilience.measure import wait_until
from tests.resilience.server_process import Server
from tests.resilience.test_authentication import KEYS_FILE

pytestmark = pytest.mark.fault("T39")

REMOTE = ("--engine", "openai", "--upstream", "http://127.0.0.1:9/v1")
INVALID = {
    "a public address without keys": (("--host", "0.0.0.0", *REMOTE), {}, 2, "api-keys-file"),
    "a public IPv6 address without keys": (("--host", "::", *REMOTE), {}, 2, "api-keys-file"),
    "a name that is public, without keys": (("--host", "example.org", *REMOTE), {}, 2, "api-keys-file"),
    "an unknown flag": (("--prot", "1", *REMOTE), {}, 2, "unrecognized"),
    "an unknown setting": (REMOTE, {"COGITATE_PROT": "1"}, 2, "COGITATE_PORT"),
    "a port that is none": (("--port", "70000", *REMOTE), {}, 2, "port"),
    "a port that is no number": (("--port", "x", *REMOTE), {}, 2, "port"),
    "a keys file that is not there": (("--api-keys-file", "/nowhere", *REMOTE), {}, 1, "keys file"),
    "an upstream's key as a flag": (("--upstream-api-key", "sk-x", *REMOTE), {}, 2, "unrecognized"),
    "an upstream without an engine for it": (("--upstream", "http://127.0.0.1:9/v1"), {}, 2, "--engine openai"),
    "an engine without an upstream": (("--engine", "openai"), {}, 2, "--upstream"),
    "an unknown engine": (("--engine", "magic"), {}, 2, "engine"),
    "an upstream that is no URL": (("--engine", "openai", "--upstream", "ftp://x"), {}, 1, "upstream"),
    "a Redis URL that is none": (("--redis-url", "http://x", *REMOTE), {}, 1, "Redis URL"),
    "engine arguments that are no JSON": (("--engine-args", "{"), {}, 2, "JSON"),
    "a preset of no strategy": (("--presets", '{"a": {"name": "magic"}}', *REMOTE), {}, 2, "presets"),
    "a preset under a strategy's name": (
        ("--presets", '{"best_of_n": {"name": "best_of_n"}}', *REMOTE),
        {},
        2,
        "preset",
    ),
    "a limit below 1": (("--max-cost", "0", *REMOTE), {}, 2, "max-cost"),
    "a sandbox that does not exist": (("--code-exec", "magic", *REMOTE), {}, 2, "code-exec"),
    "a model that is no folder of a model": (("./tests",), {}, 1, "config.json"),
    "a log level that is none": (("--log-level", "loud", *REMOTE), {}, 2, "log-level"),
}


def run_serve(*flags: str, environment: dict[str, str]) -> tuple[int, str, float]:
    """Run `serve` with flags that end the start; returns its exit status, standard error and duration in seconds."""
    command = [sys.executable, "-m", "cogitate.server", "serve", "--engine-log", "-", *flags]
    began = time.monotonic()
    done = subprocess.run(command, env={**os.environ, **environment}, capture_output=True, text=True, timeout=60)  # noqa: TID251 the server needs it
    return done.returncode, done.stderr, time.monotonic() - began


@pytest.mark.faults
def test_invalid_configuration_is_rejected_in_one_line(bar):
    def check_refusal(what: str) -> tuple[str, int, str] | None:
        flags, environment, status, word = INVALID[what]
        code, stderr, _ = run_serve(*flags, environment=environment)
        lines = [line for line in stderr.splitlines() if line.strip()]
        fine = code == status and len(lines) == 1 and word in stderr and "Traceback" not in stderr
        return None if fine else (what, code, stderr[-200:])

    with ThreadPoolExecutor(4) as pool:
        wrong = [failure for failure in pool.map(check_refusal, INVALID) if failure]
    what = f"{len(INVALID)} configurations that must not start"
    bar(what, f"{wrong or 'all refused'}", "all refused", not wrong)


@pytest.mark.faults
def test_invalid_keys_file_is_rejected_without_repeating_a_key(bar, tmp_path):
    wrong = []
    for content in ("plain-key acme\n", "ab12 acme\n", f"{'0' * 64}\n", f"{'0' * 64} acme generations=x\n"):
        (tmp_path / "keys").write_text(content)
        code, stderr, _ = run_serve("--api-keys-file", str(tmp_path / "keys"), *REMOTE, environment={})
        if code == 0 or "plain-key" in stderr or len(stderr.strip().splitlines()) != 1:
            wrong.append((content, code, stderr))
    what = "keys files with a plain or short key, without a tenant, with an unknown limit"
    bar(what, f"{wrong or 'all refused'}", "all refused, the key not repeated", not wrong)


@pytest.mark.faults
def test_server_listens_on_loopback_by_default(bar):
    with Server() as server, Server(flags=("--host", "0.0.0.0", "--insecure-no-auth")) as public:
        connections = server.process.net_connections("tcp")
        addresses = {connection.laddr.ip for connection in connections if connection.status == "LISTEN"}
        status = httpx.get(f"http://127.0.0.1:{public.address[1]}/v1/models", verify=False).status_code
    figure = f"{sorted(addresses)}; with --insecure-no-auth {status}"
    bar("the address without flags", figure, "127.0.0.1; 200", addresses == {"127.0.0.1"} and status == 200)


def test_secrets_are_on_no_command_line(bar, tmp_path):
    (tmp_path / "password").write_text("canary-redis-password")
    secrets = {"COGITATE_UPSTREAM_API_KEY": "canary-upstream-key", "COGITATE_REDIS_URL": "redis://127.0.0.1:9"}
    flags = ("--redis-password-file", str(tmp_path / "password"))
    with Server(keys=KEYS_FILE, flags=flags, environment=secrets) as server:
        command_line = Path(f"/proc/{server.pid}/cmdline").read_text()
        children = [child.cmdline() for child in server.process.children(recursive=True)]
    seen = "canary" in command_line or any("canary" in word for child in children for word in child)
    bar("secrets in the command lines of the server and its children", str(seen), "False", not seen)


def test_loading_server_is_live_and_not_ready(bar):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with Server(upstream="http://127.0.0.1:9/v1", flags=("--port", str(port)), ready=False) as server:
        server.url = f"http://127.0.0.1:{port}"
        wait_until(lambda: is_reachable(server), 30)
        figure = [server.get(path).status_code for path in ("/health/live", "/health/ready", "/v1/models")]
        figure.append(server.ask().status_code)
    what = "while the engine opens: live, ready, models, a chat"
    bar(what, f"{figure}", "200, 503, 503, 503", figure == [200, 503, 503, 503])


def is_reachable(server: Server) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(server.address) == 0


def test_missing_model_ends_the_process(bar):
    with run_fake_upstream() as upstream:
        code, stderr, took = run_serve("nope", "--engine", "openai", "--upstream", f"{upstream.url}/v1", environment={})
    figure = f"exit {code} after {took:.1f} s"
    bar("a model that is not there", figure, "not 0, 5 s", code == 1 and took <= 5 and "nope" in stderr)
