"""`cogitate serve --workers N` over a fake upstream and a Redis, and a connection to each worker."""

import re
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from uuid import uuid4

import httpx
import psutil
import pytest

from tests.bench.processes import run_fake_upstream
from tests.fakes.redis_server import PROGRAM, RedisServer
from tests.resilience.measure import wait_until
from tests.resilience.server_process import Server

MAX_CONNECTIONS = 64
"""To open until each worker has one."""
MODEL = "fake"


@dataclass(frozen=True, slots=True)
class Workers:
    """A server of several workers."""

    server: Server
    redis: RedisServer

    @property
    def pids(self) -> set[int]:
        return {each.pid for each in self.server.process.children()}

    def wait_for_count(self, count: int, seconds: float = 15) -> None:
        """Wait until there are so many processes and each of them is ready: it logs its upstream."""
        wait_until(lambda: len(self.pids) == count and self._have_started(), seconds)

    def _have_started(self) -> bool:
        return all(f"cogitate.remote[{pid}]: upstream model" in self.server.output for pid in self.pids)

    @contextmanager
    def connect_to_each(self) -> Iterator[dict[int, httpx.Client]]:
        """Yield a client for each worker, by the worker's process id; each has one connection."""
        with ExitStack() as stack:
            clients: dict[int, httpx.Client] = {}
            for _ in range(MAX_CONNECTIONS):
                limits = httpx.Limits(max_connections=1)
                client = stack.enter_context(httpx.Client(base_url=self.server.url, timeout=30, limits=limits))
                clients.setdefault(self.find_worker(client), client)
                if len(clients) == len(self.pids):
                    break
            assert set(clients) == self.pids
            yield clients

    def find_worker(self, client: httpx.Client) -> int:
        """Return the id of the process that answers this client: the log has it."""
        name = uuid4().hex
        client.get("/v1/models", headers={"X-Request-Id": name})
        line = re.compile(rf"\[(\d+)\]: GET /v1/models 200 id={name}")
        return int(self.server.wait_for_output(line))


@contextmanager
def run_workers(
    count: int, *flags: str, upstream: tuple[str, ...] = (), redis: RedisServer | None = None, keys: str = ""
) -> Iterator[Workers]:
    """Run a server of `count` workers. `upstream`: flags of the fake upstream."""
    if PROGRAM is None:
        pytest.skip("NO REDIS WAS TESTED: there is no redis-server on the PATH (apt-get install redis-server)")
    with ExitStack() as stack:
        redis = redis or stack.enter_context(RedisServer())
        url = stack.enter_context(run_fake_upstream(*upstream)).url
        flags = ("--workers", str(count), "--redis-url", redis.url, *flags)
        server = stack.enter_context(Server(upstream=f"{url}/v1", flags=flags, keys=keys))
        stack.callback(end_all, server.process.children(recursive=True))
        yield Workers(server, redis)


def end_all(processes: list[psutil.Process]) -> None:
    """Kill processes that this test has started, and that may have outlived their parent."""
    for each in processes:
        if each.is_running():
            each.kill()
