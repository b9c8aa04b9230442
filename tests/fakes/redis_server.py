"""A real redis-server for tests, which can be killed, stopped and restarted.

Fixtures for a test module with `pytest_plugins = ["tests.fakes.redis_server"]`: `redis_url` for tests that only use
keys of their own (REDIS_URL if set, else a server started here), `redis_server` for those that break the server.
"""

import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Self

import pytest
import redis

EXTERNAL_URL = os.environ.get("REDIS_URL")  # noqa: TID251  a test run has no settings
"""A server that tests may use, but not break."""
PROGRAM = shutil.which("redis-server")


class RedisServer:
    """An empty server on a free loopback port, without persistence, for the length of a `with` block."""

    def __init__(self) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port: int = probe.getsockname()[1]
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self._folder = TemporaryDirectory(prefix="redis-")
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()
        self._folder.cleanup()

    def start(self) -> None:
        """Start it, or restart it after `kill` on the same port and without data. Returns when it answers."""
        assert PROGRAM is not None
        options = {"bind": "127.0.0.1", "port": self.port, "save": "", "appendonly": "no", "dir": self._folder.name}
        options["enable-debug-command"] = "local"  # else DEBUG SLEEP is refused
        arguments = [str(text) for name, value in options.items() for text in (f"--{name}", value)]
        with Path(self._folder.name, "log").open("ab") as log:
            self._process = subprocess.Popen([PROGRAM, *arguments], stdout=log, stderr=log)
        self._await_ping()

    def kill(self) -> None:
        """Kill it with SIGKILL, stopped or not."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def stop(self) -> None:
        """Suspends it: connections are accepted, and nothing is answered until `cont`."""
        os.kill(self.pid, signal.SIGSTOP)

    def cont(self) -> None:
        """Resume it after `stop`."""
        os.kill(self.pid, signal.SIGCONT)

    def do(self, *command: str | bytes | int) -> Any:
        """Run one command on a connection of its own."""
        with redis.Redis(port=self.port, socket_timeout=5) as client:
            return client.execute_command(*command)

    def _await_ping(self) -> None:
        """Wait until it responds. Raises RuntimeError with its log after four seconds."""
        for _ in range(200):
            try:
                self.do("PING")
            except redis.ConnectionError:
                time.sleep(0.02)
            else:
                return
        raise RuntimeError(Path(self._folder.name, "log").read_text())


@pytest.fixture
def redis_server() -> Iterator[RedisServer]:
    if PROGRAM is None:
        pytest.skip("NO REDIS WAS TESTED: there is no redis-server on the PATH (apt-get install redis-server)")
    with RedisServer() as server:
        yield server


@pytest.fixture(scope="session")
def redis_url() -> Iterator[str]:
    if EXTERNAL_URL is not None:
        yield EXTERNAL_URL
    elif PROGRAM is not None:
        with RedisServer() as server:
            yield server.url
    else:
        pytest.skip("NO REDIS WAS TESTED: REDIS_URL is not set and there is no redis-server on the PATH")
