"""A server on a real socket, in a thread of this process, over a scripted backend."""

import asyncio
import contextlib
import itertools
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import openai
import uvicorn

from cogitate.server.app import create_app
from cogitate.server.cache import Cache, MemoryCache, NoPeers, PeerRpc
from cogitate.server.config.telemetry import Telemetry
from cogitate.server.http.protocol import HttpProtocol
from cogitate.server.observability.metrics import Metrics
from cogitate.server.serving.service import Service
from cogitate.server.settings import Settings
from cogitate.strategies.core.scripted import ScriptedEngine, ScriptedProver
from tests.fakes.backend import ScriptedBackend
from tests.fakes.checked_app import CheckedApp

HELLO = {"model": "scripted", "messages": [{"role": "user", "content": "What is 6*7?"}]}


class FastStoppingServer(uvicorn.Server):
    """Checks every 5 ms instead of every 100 whether it is to stop, which is most of the time of a short test."""

    async def main_loop(self) -> None:
        for tick in itertools.count():
            if await self.on_tick(tick):
                return
            await asyncio.sleep(0.005)


@dataclass(slots=True)
class Live:
    """A running server, and clients for it."""

    service: Service
    url: str
    engine: ScriptedEngine
    clients: list[openai.OpenAI] = field(default_factory=list)
    http: httpx.Client = field(default_factory=lambda: httpx.Client(verify=False, limits=httpx.Limits()))

    def ask(self, timeout: float = 10, headers: dict[str, str] | None = None, **fields: object) -> httpx.Response:
        """Send a chat request, HELLO with other fields, and return the response."""
        body = HELLO | fields
        return self.http.post(f"{self.url}/v1/chat/completions", json=body, timeout=timeout, headers=headers)

    def client(self, api_key: str = "none") -> openai.OpenAI:
        client = openai.OpenAI(base_url=f"{self.url}/v1", api_key=api_key, max_retries=0, timeout=10)
        self.clients.append(client)
        return client


@contextlib.contextmanager
def live(
    engine: ScriptedEngine,
    *,
    backend: Callable[[ScriptedEngine], ScriptedBackend] = ScriptedBackend,
    cache: Cache | None = None,
    rpc: PeerRpc | None = None,
    api_keys_file: Path | None = None,
    wait_until_ready: bool = True,
    keep_alive: float = 5,
    telemetry: Telemetry | None = None,
    **settings: object,
) -> Iterator[Live]:
    """Run a server until the context ends. Fails where a response does not match the OpenAPI document."""
    service = Service(
        backend(engine),
        cache or MemoryCache(ttl=60),
        ScriptedProver(),
        Settings(api_keys_file=api_keys_file, drain_seconds=1, **settings),
        Metrics(),
        rpc=rpc or NoPeers(),
        telemetry=telemetry,
    )
    app = CheckedApp(create_app(service))
    server = FastStoppingServer(
        uvicorn.Config(
            app,
            http=HttpProtocol,
            port=0,
            log_level="warning",
            server_header=False,
            timeout_keep_alive=keep_alive,
            timeout_graceful_shutdown=1,
        )
    )
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    eventually(lambda: server.started and (service.ready or not wait_until_ready))
    port = server.servers[0].sockets[0].getsockname()[1]
    started = Live(service, f"http://127.0.0.1:{port}", engine)
    try:
        yield started
    finally:
        for client in started.clients:
            client.close()
        started.http.close()
        server.should_exit = True
        thread.join(10)
        assert not thread.is_alive(), "the server does not stop"
        assert not app.problems, app.problems[:5]


def eventually(check: Callable[[], object], seconds: float = 5) -> None:
    """Wait until a condition that another thread brings about is true. Fails after `seconds`."""
    end = time.monotonic() + seconds
    while not check():
        assert time.monotonic() < end, f"not true after {seconds} s"
        time.sleep(0.005)
