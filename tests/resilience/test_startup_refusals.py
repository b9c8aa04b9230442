"""T39: what the operator says is checked before anything is loaded, and what is unsafe is not served."""

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
from tests.resilience.server_process import Server, eventually
from tests.resilience.test_authentication import FILE

UP = ("--engine", "openai", "--upstream", "http://127.0.0.1:9/v1")
REFUSED = {
    "a public address without keys": (("--host", "0.0.0.0", *UP), {}, 2, "api-keys-file"),
    "a public IPv6 address without keys": (("--host", "::", *UP), {}, 2, "api-keys-file"),
    "a name that is public, without keys": (("--host", "example.org", *UP), {}, 2, "api-keys-file"),
    "an unknown flag": (("--prot", "1", *UP), {}, 2, "unrecognized"),
    "an unknown setting": (UP, {"COGITATE_PROT": "1"}, 2, "COGITATE_PORT"),
    "a port that is none": (("--port", "70000", *UP), {}, 2, "port"),
    "a port that is no number": (("--port", "x", *UP), {}, 2, "port"),
    "a keys file that is not there": (("--api-keys-file", "/nowhere", *UP), {}, 1, "keys file"),
    "an upstream's key as a flag": (("--upstream-api-key", "sk-x", *UP), {}, 2, "unrecognized"),
    "an upstream without an engine for it": (("--upstream", "http://127.0.0.1:9/v1"), {}, 2, "--engine openai"),
    "an engine without an upstream": (("--engine", "openai"), {}, 2, "--upstream"),
    "an unknown engine": (("--engine", "magic"), {}, 2, "engine"),
    "an upstream that is no URL": (("--engine", "openai", "--upstream", "ftp://x"), {}, 1, "upstream"),
    "a Redis URL that is none": (("--redis-url", "http://x", *UP), {}, 1, "Redis URL"),
    "engine arguments that are no JSON": (("--engine-args", "{"), {}, 2, "JSON"),
    "a preset of no strategy": (("--presets", '{"a": {"name": "magic"}}', *UP), {}, 2, "presets"),
    "a preset under a strategy's name": (("--presets", '{"best_of_n": {"name": "best_of_n"}}', *UP), {}, 2, "preset"),
    "a limit below 1": (("--max-cost", "0", *UP), {}, 2, "max-cost"),
    "a sandbox that does not exist": (("--code-exec", "magic", *UP), {}, 2, "code-exec"),
    "a model that is no folder of a model": (("./tests",), {}, 1, "config.json"),
    "a log level that is none": (("--log-level", "loud", *UP), {}, 2, "log-level"),
}


def started(*flags: str, environment: dict[str, str]) -> tuple[int, str, float]:
    """How a server that must not start ends, what it says, and after how many seconds."""
    command = [sys.executable, "-m", "cogitate.server", "serve", "--engine-log", "-", *flags]
    began = time.monotonic()
    done = subprocess.run(command, env={**os.environ, **environment}, capture_output=True, text=True, timeout=60)  # noqa: TID251
    return done.returncode, done.stderr, time.monotonic() - began


@pytest.mark.faults
def test_t39_what_is_unsafe_or_misspelt_is_refused_in_one_line(bar):
    def one(what: str) -> tuple[str, int, str] | None:
        flags, environment, status, word = REFUSED[what]
        code, said, _ = started(*flags, environment=environment)
        lines = [line for line in said.splitlines() if line.strip()]
        fine = code == status and len(lines) == 1 and word in said and "Traceback" not in said
        return None if fine else (what, code, said[-200:])

    with ThreadPoolExecutor(4) as pool:
        wrong = [told for told in pool.map(one, REFUSED) if told]
    what = f"{len(REFUSED)} configurations that must not start"
    bar("T39", what, f"{wrong or 'all refused'}", "all refused", not wrong)


@pytest.mark.faults
def test_t39_bad_keys_start_no_server(bar, tmp_path):
    wrong = []
    for content in ("plain-key acme\n", "ab12 acme\n", f"{'0' * 64}\n", f"{'0' * 64} acme generations=x\n"):
        (tmp_path / "keys").write_text(content)
        code, said, _ = started("--api-keys-file", str(tmp_path / "keys"), *UP, environment={})
        if code == 0 or "plain-key" in said or len(said.strip().splitlines()) != 1:
            wrong.append((content, code, said))
    what = "keys files with a plain or short key, without a tenant, with an unknown limit"
    bar("T39", what, f"{wrong or 'all refused'}", "all refused, the key not repeated", not wrong)


@pytest.mark.faults
def test_t39_loopback_is_the_default_and_openness_is_asked_for(bar):
    with Server() as server, Server(flags=("--host", "0.0.0.0", "--insecure-no-auth")) as public:
        own = server.process.net_connections("tcp")
        addresses = {connection.laddr.ip for connection in own if connection.status == "LISTEN"}
        asked = httpx.get(f"http://127.0.0.1:{public.address[1]}/v1/models", verify=False).status_code
    figure = f"{sorted(addresses)}; with --insecure-no-auth {asked}"
    bar("T39", "the address without flags", figure, "127.0.0.1; 200", addresses == {"127.0.0.1"} and asked == 200)


def test_t39_secrets_are_on_no_command_line(bar, tmp_path):
    (tmp_path / "password").write_text("canary-redis-password")
    secrets = {"COGITATE_UPSTREAM_API_KEY": "canary-upstream-key", "COGITATE_REDIS_URL": "redis://127.0.0.1:9"}
    flags = ("--redis-password-file", str(tmp_path / "password"))
    with Server(keys=FILE, flags=flags, environment=secrets) as server:
        told = Path(f"/proc/{server.pid}/cmdline").read_text()
        children = [child.cmdline() for child in server.process.children(recursive=True)]
    seen = "canary" in told or any("canary" in word for child in children for word in child)
    bar("T39", "secrets in the command lines of the server and its children", str(seen), "False", not seen)


def test_t39_a_server_that_loads_is_live_and_not_ready(bar):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with Server(upstream="http://127.0.0.1:9/v1", flags=("--port", str(port)), ready=False) as server:
        server.url = f"http://127.0.0.1:{port}"
        eventually(lambda: reachable(server))
        figure = [server.get(path).status_code for path in ("/health/live", "/health/ready", "/v1/models")]
        figure.append(server.ask().status_code)
    what = "while the engine opens: live, ready, models, a chat"
    bar("T39", what, f"{figure}", "200, 503, 503, 503", figure == [200, 503, 503, 503])


def reachable(server: Server) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(server.address) == 0


def test_t39_a_model_that_does_not_load_ends_the_process(bar):
    with run_fake_upstream() as upstream:
        code, said, took = started("nope", "--engine", "openai", "--upstream", f"{upstream.url}/v1", environment={})
    figure = f"exit {code} after {took:.1f} s"
    bar("T39", "a model that is not there", figure, "not 0, 5 s", code == 1 and took <= 5 and "nope" in said)
