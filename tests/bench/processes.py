"""The server and its upstream, each in a process of its own, and what they use."""

import contextlib
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Process:
    pid: int
    url: str

    @property
    def cpu(self) -> float:
        """Seconds of processor time so far."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / TICKS

    @property
    def rss(self) -> float:
        """Resident memory, MiB."""
        found = re.search(r"VmRSS:\s+(\d+)", Path(f"/proc/{self.pid}/status").read_text())
        assert found
        return int(found[1]) / 1024


@contextlib.contextmanager
def fake_upstream(*flags: str) -> Iterator[Process]:
    with _running([sys.executable, "-m", "tests.fakes.upstream", *flags]) as process:
        yield process


@contextlib.contextmanager
def cogitate(upstream: str, *flags: str) -> Iterator[Process]:
    """`cogitate serve --engine openai`, ready."""
    command = [sys.executable, "-m", "cogitate.server"]
    command += ["serve", "--engine", "openai", "--upstream", upstream, "--port", "0"]
    with _running([*command, *flags]) as process:
        yield process


@contextlib.contextmanager
def nothing() -> Iterator[Process]:
    """An application on uvicorn that does nothing."""
    with _running([sys.executable, "-m", "tests.bench.noop_app"]) as process:
        yield process


@contextlib.contextmanager
def _running(command: list[str]) -> Iterator[Process]:
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout
    try:
        url = next(found[0] for line in process.stdout if (found := re.search(r"http://127.0.0.1:\d+(?=/v1)", line)))
        time.sleep(0.3)
        yield Process(process.pid, url)
    finally:
        process.terminate()
        process.wait(20)
        process.stdout.close()
