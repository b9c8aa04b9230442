"""Starts, requests, observes and ends real server processes."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx
import psutil

from tests.resilience.measure import wait_until

HELLO = {"model": "scripted", "messages": [{"role": "user", "content": "What is 6*7?"}]}
CHAT = "/v1/chat/completions"
READY = re.compile(r"ready: .* on (http://\S+)/v1")
START_SECONDS, VLLM_START_SECONDS = 30, 300


@dataclass(slots=True, kw_only=True)
class Server:
    """A server process, by default over the scripted engine: `with Server(flags=("--max-cost", "1000")) as server:`."""

    flags: tuple[str, ...] = ()
    upstream: str | None = None
    """Base URL of a remote engine, used instead of the scripted one."""
    real: bool = False
    """Use vLLM with the demo model."""
    environment: Mapping[str, str] = field(default_factory=dict)
    ready: bool = True
    """Wait until the server is ready."""
    keys: str = ""
    """Contents of the API keys file; empty: no keys."""
    python: tuple[str, ...] = ()
    """Flags of the interpreter, such as -O."""
    url: str = ""
    _process: "subprocess.Popen[bytes] | None" = None
    _output: Path = Path()
    _control: Any = None
    _http: httpx.Client = field(default_factory=lambda: httpx.Client(verify=False, limits=httpx.Limits()))

    def __enter__(self) -> Self:
        descriptor, name = tempfile.mkstemp(prefix="cogitate-faults-", suffix=".log")
        self._output = Path(name)
        module = "cogitate.server" if self.upstream or self.real else "tests.resilience.faulty_server"
        flags = ["--port", "0", "--engine-log", "-", *self.flags]
        flags += ["--engine", "openai", "--upstream", self.upstream] if self.upstream else []
        if self.keys:
            self._output.with_suffix(".keys").write_text(self.keys)
            flags += ["--api-keys-file", str(self._output.with_suffix(".keys"))]
        command = [sys.executable, *self.python, "-m", module, "serve", *flags]
        environment = {**os.environ, **self.environment}  # noqa: TID251 the test's own
        self._process = subprocess.Popen(command, stdout=descriptor, stderr=descriptor, env=environment)
        os.close(descriptor)
        if self.ready:
            self.url = self.wait_for_output(READY, VLLM_START_SECONDS if self.real else START_SECONDS)
            self._connect_control()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        assert self._process is not None
        self._http.close()
        if self._control:
            self._control.close()
        self._process.kill()
        self._process.wait()
        self._output.unlink()
        self._output.with_suffix(".keys").unlink(missing_ok=True)

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    @property
    def output(self) -> str:
        """Standard output and standard error so far."""
        return self._output.read_text(errors="replace")

    @property
    def process(self) -> psutil.Process:
        return psutil.Process(self.pid)

    @property
    def memory(self) -> float:
        """Anonymous memory in MiB, resident and swapped; pages of mapped files are not counted."""
        status = Path(f"/proc/{self.pid}/status").read_text()
        return sum(int(re.search(rf"{name}:\s+(\d+)", status)[1]) for name in ("RssAnon", "VmSwap")) / 1024  # type: ignore[index]

    @property
    def processor_seconds(self) -> float:
        """Processor time so far, user and system."""
        times = self.process.cpu_times()
        return times.user + times.system

    @property
    def descriptors(self) -> int:
        return self.process.num_fds()

    @property
    def exit_status(self) -> int | None:
        """The exit status; None while the process runs."""
        assert self._process is not None
        return self._process.poll()

    def wait_for_output(self, pattern: re.Pattern[str], seconds: float = START_SECONDS) -> str:
        """Wait for output that matches; returns the pattern's first group."""
        wait_until(lambda: pattern.search(self.output) or self.exit_status is not None, seconds)
        match = pattern.search(self.output)
        assert match, f"exit status {self.exit_status}: {self.output}"
        return match[1]

    def wait_for_exit(self, seconds: float) -> int:
        """Wait for the end of the process; returns its exit status."""
        assert self._process is not None
        return self._process.wait(seconds)

    def send_signal(self, number: signal.Signals) -> None:
        os.kill(self.pid, number)

    def set_knobs(self, **knobs: object) -> dict[str, Any]:
        """Set knobs of the scripted engine (tests/resilience/faulty_engine.py); returns its counters."""
        self._control.write(json.dumps(knobs) + "\n")
        self._control.flush()
        counters: dict[str, Any] = json.loads(self._control.readline())
        return counters

    @property
    def counters(self) -> dict[str, Any]:
        return self.set_knobs()

    @property
    def in_flight(self) -> int:
        """Sequences that the engine runs or is about to accept."""
        counters = self.counters
        return int(counters["running"]) + int(counters["submitting"])

    def ask(self, timeout: float = 20, headers: Mapping[str, str] | None = None, **fields: object) -> httpx.Response:
        """Post a chat completion: HELLO with `fields`."""
        return self._http.post(self.url + CHAT, json=HELLO | fields, timeout=timeout, headers=headers)

    def get(self, path: str, **options: Any) -> httpx.Response:
        return self._http.get(self.url + path, timeout=10, **options)

    def assert_healthy(self) -> None:
        """Assert that the same process still runs, is ready, and that its engine becomes empty."""
        assert self.exit_status is None, self.output
        wait_until(lambda: self.get("/health/ready").status_code == 200)
        if self._control:
            wait_until(lambda: self.in_flight == 0)

    @property
    def address(self) -> tuple[str, int]:
        host, _, port = self.url.removeprefix("http://").rpartition(":")
        return host, int(port)

    def connect(self, timeout: float = 10) -> socket.socket:
        """Open a TCP connection to send raw bytes on."""
        return socket.create_connection(self.address, timeout)

    def _connect_control(self) -> None:
        if self.upstream is None and not self.real:
            port = int(self.wait_for_output(re.compile(r"control on (\d+)")))
            with socket.create_connection(("127.0.0.1", port)) as connection:
                self._control = connection.makefile("rw")


def body(**fields: object) -> bytes:
    """Encode HELLO with `fields`."""
    return json.dumps(HELLO | fields).encode()


def raw(content: bytes, path: str = CHAT, *headers: str) -> bytes:
    """Build the bytes of an HTTP/1.1 POST request."""
    lines = [f"POST {path} HTTP/1.1", "Host: localhost", "Content-Type: application/json", *headers]
    return "\r\n".join([*lines, f"Content-Length: {len(content)}", "", ""]).encode("latin-1") + content
