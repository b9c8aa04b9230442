"""Real server processes to break: started, asked, watched, and ended."""

import json
import os
import re
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx
import psutil

HELLO = {"model": "scripted", "messages": [{"role": "user", "content": "What is 6*7?"}]}
CHAT = "/v1/chat/completions"
READY = re.compile(r"ready: .* on (http://\S+)/v1")


@dataclass(slots=True, kw_only=True)
class Server:
    """`with Server(flags=("--max-cost", "1000")) as server:` over the scripted engine, or another one."""

    flags: tuple[str, ...] = ()
    upstream: str | None = None
    """Over the remote engine and this base URL."""
    real: bool = False
    """Over vLLM and the demo model."""
    environment: Mapping[str, str] = field(default_factory=dict)
    ready: bool = True
    """Wait until it is."""
    keys: str = ""
    """What its keys file holds."""
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
            self.url = self.told(READY, 300 if self.real else 30)
            self._connect()
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
        """All that it wrote, standard error included."""
        return self._output.read_text(errors="replace")

    @property
    def log(self) -> Path:
        """The file that it writes to."""
        return self._output

    @property
    def process(self) -> psutil.Process:
        return psutil.Process(self.pid)

    @property
    def memory(self) -> float:
        """Anonymous memory, resident and swapped, MiB: what files it maps may come and go."""
        status = Path(f"/proc/{self.pid}/status").read_text()
        return sum(int(re.search(rf"{name}:\s+(\d+)", status)[1]) for name in ("RssAnon", "VmSwap")) / 1024  # type: ignore[index]

    @property
    def descriptors(self) -> int:
        return self.process.num_fds()

    @property
    def exit(self) -> int | None:
        """Its exit status; None while it lives."""
        assert self._process is not None
        return self._process.poll()

    def told(self, line: re.Pattern[str], seconds: float = 30) -> str:
        """What it says in such a line, waited for."""
        eventually(lambda: line.search(self.output) or self.exit is not None, seconds)
        found = line.search(self.output)
        assert found, f"it ended with {self.exit}: {self.output}"
        return found[1]

    def ended(self, seconds: float) -> int:
        """Its exit status, waited for."""
        assert self._process is not None
        return self._process.wait(seconds)

    def signal(self, number: signal.Signals) -> None:
        os.kill(self.pid, number)

    def turn(self, **knobs: object) -> dict[str, Any]:
        """Sets knobs of the engine (tests/resilience/faulty_engine.py); what it has counted so far."""
        self._control.write(json.dumps(knobs) + "\n")
        self._control.flush()
        said: dict[str, Any] = json.loads(self._control.readline())
        return said

    @property
    def counters(self) -> dict[str, Any]:
        return self.turn()

    @property
    def busy(self) -> int:
        """Sequences in the engine, or on their way into it."""
        counted = self.counters
        return int(counted["running"]) + int(counted["submitting"])

    def ask(self, timeout: float = 20, headers: Mapping[str, str] | None = None, **fields: object) -> httpx.Response:
        return self._http.post(self.url + CHAT, json=HELLO | fields, timeout=timeout, headers=headers)

    def get(self, path: str, **options: Any) -> httpx.Response:
        return self._http.get(self.url + path, timeout=10, **options)

    def healthy(self) -> None:
        """Asserts that it is the same process, ready, and that its engine is empty."""
        assert self.exit is None, self.output
        eventually(lambda: self.get("/health/ready").status_code == 200)
        if self._control:
            eventually(lambda: self.busy == 0)

    @property
    def address(self) -> tuple[str, int]:
        host, _, port = self.url.removeprefix("http://").rpartition(":")
        return host, int(port)

    def socket(self, timeout: float = 10) -> socket.socket:
        """A connection of one's own, to be rude on."""
        return socket.create_connection(self.address, timeout)

    def _connect(self) -> None:
        if self.upstream is None and not self.real:
            port = int(self.told(re.compile(r"control on (\d+)")))
            with socket.create_connection(("127.0.0.1", port)) as connection:
                self._control = connection.makefile("rw")


@dataclass(slots=True)
class Meanwhile:
    """What goes on in a thread until its block is left."""

    _over: threading.Event = field(init=False, default_factory=threading.Event)
    _thread: threading.Thread = field(init=False)

    def __enter__(self) -> Self:
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _run(self) -> None:
        raise NotImplementedError


@dataclass(slots=True)
class Probe(Meanwhile):
    """A small request every 50 ms, or so, on a connection of its own: whether the event loop is alive meanwhile."""

    server: Server
    path: str = "/health/live"
    every: float = 0.05
    hear: Callable[[str], object] = lambda said: None
    """Is told what it answers."""
    times: list[float] = field(default_factory=list)
    """Milliseconds."""
    failures: int = 0

    @property
    def p99(self) -> float:
        return percentile(self.times, 99)

    def _run(self) -> None:
        with httpx.Client(base_url=self.server.url, timeout=30) as client:
            while not self._over.wait(self.every):
                began = time.perf_counter()
                answer = client.get(self.path)
                self.failures += answer.status_code != 200
                self.times.append((time.perf_counter() - began) * 1000)
                self.hear(answer.text)


def metric(said: str, name: str) -> float:
    """A series by its name, labels included, in what /metrics answers; 0 where it is not there."""
    found = re.search(rf"^{re.escape(name)} (\S+)", said, re.MULTILINE)
    return float(found[1]) if found else 0.0


def percentile(values: list[float], which: int) -> float:
    """`which` from 1 to 99; of few values the largest stands for the tail."""
    return statistics.quantiles(values, n=100, method="inclusive")[which - 1] if len(values) > 1 else values[0]


def eventually(check: Callable[[], object], seconds: float = 10) -> float:
    """Waits for what another process brings about; the milliseconds that it took."""
    began = time.monotonic()
    while not check():
        assert time.monotonic() - began < seconds, "it never came about"
        time.sleep(0.005)
    return (time.monotonic() - began) * 1000


def body(**fields: object) -> bytes:
    return json.dumps(HELLO | fields).encode()


def raw(content: bytes, path: str = CHAT, *headers: str) -> bytes:
    """A request as it goes over the wire."""
    lines = [f"POST {path} HTTP/1.1", "Host: localhost", "Content-Type: application/json", *headers]
    return "\r\n".join([*lines, f"Content-Length: {len(content)}", "", ""]).encode("latin-1") + content
