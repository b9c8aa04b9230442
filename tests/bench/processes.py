"""Runs the server, a fake upstream and an empty application as processes, and reads their CPU time and memory."""

import contextlib
import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

START_SECONDS = 30
CLOCK_TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Process:
    """A process that serves HTTP. `url`: its base URL, without /v1."""

    pid: int
    url: str

    @property
    def cpu_seconds(self) -> float:
        """Processor time so far, user and system."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / CLOCK_TICKS_PER_SECOND

    @property
    def memory_mebibytes(self) -> float:
        """Resident memory."""
        return self._read_memory("VmRSS")

    @property
    def peak_mebibytes(self) -> float:
        """The most resident memory so far."""
        return self._read_memory("VmHWM")

    def _read_memory(self, name: str) -> float:
        match = re.search(rf"{name}:\s+(\d+)", Path(f"/proc/{self.pid}/status").read_text())
        assert match
        return int(match[1]) / 1024


@contextlib.contextmanager
def run_fake_upstream(*flags: str) -> Iterator[Process]:
    """Run `tests.fakes.upstream` with these flags."""
    with _run_process([sys.executable, "-m", "tests.fakes.upstream", *flags]) as process:
        yield process


@contextlib.contextmanager
def run_server(upstream: str, *flags: str, environment: Mapping[str, str] | None = None) -> Iterator[Process]:
    """Run `cogitate serve --engine openai` until it is ready. `environment`: variables on top of this process's."""
    command = [sys.executable, "-m", "cogitate.server"]
    command += ["serve", "--engine", "openai", "--upstream", upstream, "--port", "0"]
    with _run_process([*command, *flags], environment) as process:
        yield process


@contextlib.contextmanager
def run_demo_server(*flags: str, environment: Mapping[str, str] | None = None) -> Iterator[Process]:
    """Run `cogitate serve` with the demo model until it is ready."""
    command = [sys.executable, "-m", "cogitate.server", "serve", "--port", "0", "--max-model-len", "2048"]
    with _run_process([*command, *flags], environment) as process:
        yield process


@contextlib.contextmanager
def run_otlp_receiver() -> Iterator[Process]:
    """Run `tests.fakes.otlp_receiver`, which drops what it receives."""
    with _run_process([sys.executable, "-m", "tests.fakes.otlp_receiver"]) as process:
        yield process


@contextlib.contextmanager
def run_noop_app() -> Iterator[Process]:
    """Run an empty application on uvicorn."""
    with _run_process([sys.executable, "-m", "tests.bench.noop_app"]) as process:
        yield process


@contextlib.contextmanager
def run_program(command: list[str], url: str) -> Iterator[Process]:
    """Run another project's server until it accepts connections at `url`. Its output is dropped."""
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    address = urlsplit(url)
    try:
        end = time.monotonic() + START_SECONDS
        while process.poll() is None and time.monotonic() < end:
            with contextlib.suppress(OSError), socket.create_connection((address.hostname, address.port), 1):
                break
            time.sleep(0.1)
        else:
            raise RuntimeError(f"{command[0]} does not serve {url}")
        yield Process(process.pid, url)
    finally:
        process.terminate()
        process.wait(20)


@contextlib.contextmanager
def _run_process(command: list[str], environment: Mapping[str, str] | None = None) -> Iterator[Process]:
    variables = {**os.environ, **(environment or {})}  # noqa: TID251 the process inherits it
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=variables)
    assert process.stdout
    try:
        matches = (re.search(r"http://127.0.0.1:\d+(?=/v1)", line) for line in process.stdout)
        url = next(match[0] for match in matches if match)
        time.sleep(0.3)
        yield Process(process.pid, url)
    finally:
        process.terminate()
        process.wait(60)
        process.stdout.close()
