"""One line a request in the log of `cogitate serve`: what it tells, when there is none, and what can not be forged."""

import fcntl
import hashlib
import itertools
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.resilience.measure import wait_until
from tests.resilience.server_process import CHAT, HELLO, READY, Server

pytestmark = pytest.mark.live

KEY = "cog-alices-key"
KEYS = f"{hashlib.sha256(KEY.encode()).hexdigest()} alice requests_per_minute=100\n"
AUTHORIZED = {"Authorization": f"Bearer {KEY}"}
VOTE = {"name": "self_consistency", "n": 3, "stop_rule": "none"}


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with Server(flags=("--log-format", "json"), keys=KEYS) as running:
        yield running


def read_lines(server: Server) -> list[dict[str, Any]]:
    """Return the lines of the log. All but the test's own line on its control port are JSON."""
    return [json.loads(line) for line in server.output.splitlines() if not line.startswith("control on")]


def find_line(server: Server, name: str) -> dict[str, Any]:
    """Wait for the line of the request with this id; asserts that there is one."""

    def find() -> list[dict[str, Any]]:
        return [line for line in read_lines(server) if line.get("id") == name and "status" in line]

    wait_until(find)
    (line,) = find()
    return line


def ask(server: Server, name: str, **fields: object) -> httpx.Response:
    return server.ask(headers=AUTHORIZED | {"X-Request-Id": name}, **fields)


def test_line_of_a_search_tells_who_asked_for_what_and_what_it_cost(server):
    usage = ask(server, "search", strategy=VOTE).json()["usage"]
    line = find_line(server, "search")
    assert 0 < line.pop("seconds") < 5 and line.pop("time")
    assert line == {
        "level": "INFO",
        "logger": "cogitate.requests",
        "message": f"POST {CHAT} 200",
        "id": "search",
        "method": "POST",
        "path": CHAT,
        "model": "scripted",
        "tenant": "alice",
        "strategy": "self_consistency",
        "status": 200,
        "tokens": usage["completion_tokens"],
        "stopped": "completed",
        "error": None,
    }


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("strategy", [None, VOTE])
def test_line_is_written_once_after_the_answer(server, stream, strategy):
    name = f"once-{stream}-{bool(strategy)}"
    more = {"strategy": strategy} if strategy else {}
    assert ask(server, name, stream=stream, **more).status_code == 200
    line = find_line(server, name)
    assert line["status"] == 200 and line["strategy"] == (strategy or {"name": "none"})["name"]
    assert line["tokens"] or (stream and not strategy)


def test_line_of_a_cached_answer_tells_so(server):
    for name in ("first", "again"):
        ask(server, name, seed=7, strategy=VOTE)
    assert "cache" not in find_line(server, "first") and find_line(server, "again")["cache"] == "hit"


def test_line_of_a_refused_request_has_the_reason(server):
    assert ask(server, "unknown", model="nothing").status_code == 404
    assert find_line(server, "unknown")["error"] == "model_not_found"
    assert server.ask(headers={"X-Request-Id": "nobody"}).status_code == 401
    line = find_line(server, "nobody")
    assert (line["status"], line["error"], line["tenant"], line["tokens"]) == (401, "invalid_api_key", None, None)


@pytest.mark.parametrize("strategy", [None, VOTE])
def test_failure_and_its_place_are_found_by_the_id_of_the_request(server, strategy):
    name, more = f"broken-{bool(strategy)}", {"strategy": strategy, "cache": "no-store"} if strategy else {}
    server.set_knobs(texts=[])
    try:
        assert ask(server, name, **more).status_code == 500
    finally:
        server.set_knobs(texts=["The answer is 42."])
    assert find_line(server, name)["error"] == "internal_error"
    (failure,) = [line for line in read_lines(server) if line["level"] == "ERROR" and line["id"] == name]
    assert re.search(rf"a request failed: \w+ at \w+\.py:\d+ in .*\(request {name}\)", failure["message"])


def test_probes_scrapes_and_files_have_no_line_and_uvicorn_writes_none(server):
    for path in ("/health", "/health/live", "/health/ready", "/metrics", "/", "/docs"):
        assert server.get(path, headers=AUTHORIZED | {"X-Request-Id": "probe"}).status_code == 200
    assert server.get("/v1/models", headers=AUTHORIZED | {"X-Request-Id": "last"}).status_code == 200
    assert find_line(server, "last")["path"] == "/v1/models"
    assert not [line for line in read_lines(server) if line.get("id") == "probe"]
    assert not [line for line in read_lines(server) if line["logger"].startswith("uvicorn")]


def test_id_and_path_of_a_client_cannot_forge_a_line(server):
    count = len(read_lines(server))
    forged = b'x" INFO\tcogitate: forged'
    head = b"GET /a%0a%7b%22id%22:%22forged%22%7d HTTP/1.1\r\nHost: localhost\r\nX-Request-Id: "
    with server.connect() as connection:
        connection.sendall(head + forged + b"\r\nAuthorization: Bearer " + KEY.encode() + b"\r\n\r\n")
        assert b"404 Not Found" in connection.recv(4096)
    wait_until(lambda: len(read_lines(server)) > count)
    (line,) = read_lines(server)[count:]
    assert line["path"] == "/a???id?:?forged??" and re.fullmatch("[0-9a-f]{32}", line["id"])


def test_requests_are_answered_where_nobody_reads_the_log_and_all_are_in_it_when_somebody_does(tmp_path: Path):
    """A server that waited for a full pipe would answer nothing more."""
    output, command = tmp_path / "out", [sys.executable, "-m", "tests.resilience.faulty_server", "serve", "--port", "0"]
    reader, writer = os.pipe()
    fcntl.fcntl(writer, fcntl.F_SETPIPE_SZ, 4096)
    with output.open("wb") as stdout, os.fdopen(reader, "rb", 0) as log:
        process = subprocess.Popen([*command, "--engine-log", "-"], stdout=stdout, stderr=writer)
        os.close(writer)
        try:
            wait_until(lambda: READY.search(output.read_text()), 30)
            with httpx.Client(base_url=READY.search(output.read_text())[1], timeout=5) as client:
                for number in range(60):
                    assert client.post(CHAT, json=HELLO, headers={"X-Request-Id": f"n-{number}"}).status_code == 200
            lines = list(itertools.islice(log, 60))
        finally:
            process.kill()
            process.wait()
    for number, line in enumerate(lines):
        assert_text_line(line.decode(), f"n-{number}")


def assert_text_line(line: str, name: str) -> None:
    stamp = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z INFO cogitate\.requests"
    fields = rf"POST {CHAT} 200 id={name} method=POST path={CHAT} strategy=none status=200 tokens=\d+"
    assert re.fullmatch(rf"{stamp}: {fields} seconds=[\d.]+ model=scripted\n", line)
