"""`cogitate serve`: from settings to a listening server, saying what it does as it goes."""

import asyncio
import logging
import os
import signal
import socket
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import TextIO

import uvicorn

from server.app import create_app
from server.auth import BadKeysFile, Keys
from server.cache import open_cache
from server.demo import DemoModelError, demo_model
from server.engine import Backend, environment
from server.metrics import Metrics
from server.prover import MathProver
from server.service import Service
from server.settings import Settings, user_cache

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


async def serve(settings: Settings) -> None:
    """Runs until it is stopped. Raises CannotServe."""
    say = Teller(sys.stdout)
    listener = bound(settings.host, settings.port)
    terminal = divert_engine_output(settings, say)
    logging.basicConfig(stream=terminal, level=settings.log_level.upper(), format="%(levelname)s %(name)s: %(message)s")
    logging.getLogger("httpx").setLevel(logging.WARNING)
    model, name = chosen_model(settings, say)
    service = assembled(settings, model, name)
    say(f"loading {name}")
    host, port = listener.getsockname()[:2]
    deaths: list[str] = []
    server = Server(service, deaths)
    app = create_app(service, on_ready=lambda: say(greeting(name, host, port)), on_death=server.died)
    server.configure(app, settings)
    async with asyncio.TaskGroup() as group:
        heart = group.create_task(heartbeat(service, say))
        await server.serve(sockets=[listener])
        heart.cancel()
    if deaths:
        raise CannotServe(f"{deaths[0]}{engine_log_hint(settings)}")


def bound(host: str, port: int) -> socket.socket:
    """The listening socket, before anything slow is begun."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except OSError as error:
        listener.close()
        raise CannotServe(f"cannot listen on {host}:{port}: {error.strerror}. Choose another --port.") from None
    return listener


def divert_engine_output(settings: Settings, say: Teller) -> TextIO:
    """Sends what engine processes write to stderr into a file, and returns the real stderr for our own log lines."""
    terminal = os.fdopen(os.dup(2), "w")
    if settings.engine_log != Path("-"):
        path = settings.engine_log or user_cache() / "cogitate" / "engine.log"
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        except OSError as error:
            raise CannotServe(f"cannot write the engine's log {path}: {error.strerror}") from None
        os.dup2(file, 2)
        os.close(file)
    return terminal


def engine_log_hint(settings: Settings) -> str:
    if settings.engine_log == Path("-"):
        return ""
    return f" (the engine's own words: {settings.engine_log or user_cache() / 'engine.log'})"


def chosen_model(settings: Settings, say: Teller) -> tuple[str, str]:
    """The model's folder or id, and the name clients use."""
    environment.prepare(demo=settings.model is None)
    if settings.model is None:
        try:
            return str(demo_model(user_cache(), say)), settings.served_model_name or environment.DEMO_NAME
        except DemoModelError as error:
            raise CannotServe(str(error)) from None
    folder = Path(settings.model)
    looks_local = settings.model.startswith((".", "/", "~")) or settings.model.count("/") > 1
    if (looks_local or folder.exists()) and not (folder.expanduser() / "config.json").is_file():
        raise CannotServe(f"{settings.model} is no model folder: it has no config.json")
    model = str(folder.expanduser()) if folder.expanduser().exists() else settings.model
    return model, settings.served_model_name or settings.model


def assembled(settings: Settings, model: str, name: str) -> Service:
    metrics = Metrics()
    try:
        cache = open_cache(
            settings.cache_url, ttl=settings.cache_ttl, on_fault=lambda kind: metrics.cache.labels(kind).inc()
        )
        if settings.api_keys_file:
            Keys(settings.api_keys_file).tenant("")
    except (ValueError, OSError, BadKeysFile) as error:
        raise CannotServe(str(error)) from None
    return Service(backend(settings, model, name), cache, MathProver(), settings, metrics)


def backend(settings: Settings, model: str, name: str) -> Backend:
    try:
        from server.engine.vllm import VllmBackend
    except ImportError as error:
        raise CannotServe(f"vLLM is not installed ({error}): pip install 'cogitate[cpu]' or 'cogitate[gpu]'") from None
    return VllmBackend(
        model, name, settings.engine_args, settings.reward_model, settings.reward_engine_args
    )


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

    def __init__(self, service: Service, deaths: list[str]) -> None:
        self.service, self.deaths = service, deaths
        self.drain: asyncio.Task[None] | None = None

    def configure(self, app: Callable[..., object], settings: Settings) -> None:
        super().__init__(
            uvicorn.Config(
                app, log_level="warning", access_log=False, timeout_graceful_shutdown=2, lifespan="on", loop="uvloop"
            )
        )
        self.grace = settings.drain_seconds

    def died(self, reason: str) -> None:
        self.deaths.append(reason)
        self.should_exit = True

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        if self.drain is not None or sig == signal.SIGINT and not self.service.jobs.live:
            self.should_exit = True
            return
        self.service.jobs.draining = True
        self.drain = asyncio.ensure_future(self._drained())

    async def _drained(self) -> None:
        await self.service.jobs.drain(self.grace)
        self.should_exit = True
