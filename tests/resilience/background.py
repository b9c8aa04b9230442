"""Threads that send requests to a server while a test breaks it."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Self

import httpx

from tests.resilience.measure import percentile
from tests.resilience.server_process import Server


@dataclass(slots=True)
class BackgroundThread:
    """Runs `_run` in a thread until the `with` block ends."""

    _stop: threading.Event = field(init=False, default_factory=threading.Event)
    _thread: threading.Thread = field(init=False)

    def __enter__(self) -> Self:
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        raise NotImplementedError


@dataclass(slots=True)
class Probe(BackgroundThread):
    """Sends a small request every `interval` seconds on its own connection: measures whether the event loop runs."""

    server: Server
    path: str = "/health/live"
    interval: float = 0.05
    on_response: Callable[[str], object] = lambda text: None
    """Receives each response body."""
    times: list[float] = field(default_factory=list)
    """Response times in milliseconds."""
    failures: int = 0

    @property
    def p99(self) -> float:
        return percentile(self.times, 99)

    def _run(self) -> None:
        with httpx.Client(base_url=self.server.url, timeout=30) as client:
            while not self._stop.wait(self.interval):
                began = time.perf_counter()
                response = client.get(self.path)
                self.failures += response.status_code != 200
                self.times.append((time.perf_counter() - began) * 1000)
                self.on_response(response.text)
