"""`cogitate serve`: from settings to a listening server, saying what it does as it goes."""

import asyncio
import gc
import logging
import os
import socket
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import TextIO

import uvicorn
from starlette.types import ASGIApp

from cogitate.server.app import create_app
from cogitate.server.auth.keys import BadKeysFile, Keys
from cogitate.server.cache import open_cache, open_line
from cogitate.server.engine import Backend, CannotStart
from cogitate.server.engine.crash_log import last_words
from cogitate.server.engine.factory import chosen_backend
from cogitate.server.equivalence.pool import MathProver
from cogitate.server.http.protocol import Receiving
from cogitate.server.observability.metrics import Metrics
from cogitate.server.serving.service import Service
from cogitate.server.settings import Settings, user_cache

SWITCH = 0.0005
"""Seconds after which a thread that computes lets the event loop go on; Python's own 5 ms are paid at each callback."""
YOUNG = 5_000, 20, 50
"""How many new objects the collector leaves alone, in its three ages: requests under way are more than Python's 700."""
KEEP_ALIVE = 65
"""Seconds that a connection waits for its next request: longer than clients (httpx: 5) and load balancers (60) keep
one, so that it is theirs to close, and no request meets its end."""
SEND_BUFFER = 64 * 1024
"""Bytes that the kernel keeps (it doubles them) for a client that does not read; by itself it would keep megabytes."""


class CannotServe(Exception):
    """Why the server does not start, in one line."""


@dataclass(slots=True)
class Teller:
    """Says what is being done, with the seconds since the start."""

    to: TextIO
    began: float = field(default_factory=time.monotonic)

    def __call__(self, line: str) -> None:
        self.to.write(f"[{time.monotonic() - self.began:5.1f} s] {line}\n")
        self.to.flush()


Choose = Callable[[Settings, "Teller"], Backend]
"""Which backend the settings ask for. Raises CannotStart."""


async def serve(settings: Settings, choose: Choose = chosen_backend) -> None:
    """Runs until it is stopped. Raises CannotServe."""
    say = Teller(sys.stdout)
    listener = bound(settings.host, settings.port)
    with engine_output_diverted(settings) as terminal:
        log_to(terminal, settings.log_level)
        service = assembled(settings, say, choose)
        await run(service, listener, say)
    if service.failure:
        raise CannotServe(told(service.failure, settings))


async def run(service: Service, listener: socket.socket, say: Teller) -> None:
    host, port = listener.getsockname()[:2]
    server = Server(service)

    def ready() -> None:
        settle()
        say(greeting(service.backend.card.name, host, port))

    app = create_app(service, on_ready=ready, on_death=server.died)
    server.configure(app)
    try:
        async with asyncio.TaskGroup() as group:
            heart = group.create_task(heartbeat(service, say))
            await server.serve(sockets=[listener])
            heart.cancel()
    finally:
        gc.unfreeze()  # what is never collected, libraries report as leaked when the process ends


def settle() -> None:
    """What was loaded stays: the collector need not go through it again, which would stop everything for as long.

    And what is read in a thread (strategies/core/offload.py) holds nobody up."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(*YOUNG)
    sys.setswitchinterval(SWITCH)


def log_to(terminal: TextIO, level: str) -> None:
    """Our own log, and uvicorn's. What engines log stays with their output."""
    handler = logging.StreamHandler(terminal)
    handler.setFormatter(logging.Formatter("%(levelname)s %(name)s: %(message)s"))
    for name in ("cogitate", "uvicorn"):
        logging.getLogger(name).addHandler(handler)
        logging.getLogger(name).setLevel(level.upper())
        logging.getLogger(name).propagate = False


def bound(host: str, port: int) -> socket.socket:
    """The listening socket, before anything slow is begun.

    Said to be TCP in so many words: asyncio sends without Nagle's delay (40 ms a response) only then.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER)
    try:
        listener.bind((host, port))
    except OSError as error:
        listener.close()
        raise CannotServe(f"cannot listen on {host}:{port}: {error.strerror}. Choose another --port.") from None
    return listener


@contextmanager
def engine_output_diverted(settings: Settings) -> Iterator[TextIO]:
    """What engine processes write to stderr goes into a file; yields the real stderr, for log lines of our own."""
    terminal = os.fdopen(os.dup(2), "w", buffering=1)
    try:
        if has_engine_log(settings):
            path = engine_log(settings)
            path.parent.mkdir(parents=True, exist_ok=True)
            file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            os.dup2(file, 2)
            os.close(file)
        yield terminal
    except OSError as error:
        raise CannotServe(f"cannot write {error.filename}: {error.strerror}") from None
    finally:
        os.dup2(terminal.fileno(), 2)


def has_engine_log(settings: Settings) -> bool:
    return settings.engine == "vllm" and settings.engine_log != Path("-")


def engine_log(settings: Settings) -> Path:
    return settings.engine_log or user_cache() / "cogitate" / "engine.log"


def told(failure: str, settings: Settings) -> str:
    """The failure, with the engine's own reason for it and where there is more."""
    if not has_engine_log(settings):
        return failure
    words = last_words(engine_log(settings))
    reason = f"{failure.partition(': ')[0]}: {words}" if words else failure
    return f"{reason} (the engine's own words: {engine_log(settings)})"


def assembled(settings: Settings, say: Teller, choose: Choose) -> Service:
    metrics = Metrics()

    def faulty(kind: str) -> None:
        metrics.cache.labels(kind).inc()

    try:
        url, secret = settings.cache_url, settings.cache_secret
        kept, ttl = settings.kept_bytes, settings.cache_ttl
        cache = open_cache(url, ttl=ttl, kept_bytes=kept, on_fault=faulty, secret=secret)
        line = open_line(url, on_fault=faulty, secret=secret)
        if settings.api_keys_file:
            Keys(settings.api_keys_file).holder("")
        backend = choose(settings, say)
    except (ValueError, OSError, BadKeysFile, CannotStart) as error:
        raise CannotServe(str(error)) from None
    return Service(backend, cache, MathProver(), settings, metrics, line=line)


def greeting(name: str, host: str, port: int) -> str:
    shown = f"[{host}]" if ":" in host else host
    url = f"http://{shown}:{port}"
    body = (
        f'{{"model": "{name}", "strategy": "self_consistency", "max_tokens": 200, '
        '"messages": [{"role": "user", "content": "What is 13 + 29?"}]}'
    )
    return (
        f"ready: {name} on {url}/v1\n\n  Try it:\n\n"
        f"  curl {url}/v1/chat/completions -H 'Content-Type: application/json' -d '{body}'\n\n"
        f"  Strategies: {url}/v1/strategies   Docs: {url}/docs   Stop: Ctrl-C\n"
    )


async def heartbeat(service: Service, say: Teller) -> None:
    """A sign of life while the model loads."""
    while not service.ready and not service.failure:
        await asyncio.sleep(5)
        if not service.ready and not service.failure:
            say("still loading")


class Server(uvicorn.Server):
    """uvicorn, but SIGTERM first drains: no new work, the old work is finished, then the listener closes."""

    def __init__(self, service: Service) -> None:
        self.service = service
        self.drain: asyncio.Task[None] | None = None

    def configure(self, app: ASGIApp) -> None:
        super().__init__(
            uvicorn.Config(
                app,
                http=Receiving,
                ws="none",
                log_config=None,
                log_level="warning",
                access_log=False,
                proxy_headers=False,
                server_header=False,
                timeout_keep_alive=KEEP_ALIVE,
                timeout_graceful_shutdown=2,
                lifespan="on",
            )
        )

    def died(self, reason: str) -> None:
        """The engine is gone: the process goes too, so that its supervisor starts another."""
        self.should_exit = True

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        if self.drain is not None:
            self.should_exit = True
        else:
            self.drain = asyncio.ensure_future(self._drained())

    async def _drained(self) -> None:
        await self.service.jobs.drain(self.service.settings.drain_seconds)
        self.should_exit = True
