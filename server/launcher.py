"""`cogitate serve`: from settings to a listening server, with progress lines on stdout."""

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
from functools import partial
from pathlib import Path
from typing import Literal, TextIO

from cogitate.server.app import create_app, create_probe_app
from cogitate.server.auth.keys import InvalidKeysFile, Keys
from cogitate.server.config.telemetry import Telemetry
from cogitate.server.engine import Backend, CannotStart
from cogitate.server.engine.children import kill_children
from cogitate.server.engine.crash_log import find_fatal_error
from cogitate.server.engine.factory import build_backend
from cogitate.server.http.runtime import tune_runtime
from cogitate.server.http.server import DrainingServer
from cogitate.server.http.tls import Tls
from cogitate.server.observability.logs import JsonFormatter, configure_log
from cogitate.server.observability.metrics import Metrics
from cogitate.server.serving.build_service import build_service
from cogitate.server.serving.service import Service
from cogitate.server.settings import Settings, user_cache

SEND_BUFFER_BYTES = 64 * 1024
"""Kernel send buffer of a connection (Linux doubles it). By default it would grow to megabytes for a slow client."""
PROGRESS_SECONDS = 5.0
"""Interval of progress lines while the model loads."""


class CannotServe(Exception):
    """The server cannot start, or its engine has failed. The message is one line."""

    def __init__(self, reason: str, exit_status: int = 1) -> None:
        super().__init__(reason)
        self.exit_status = exit_status


@dataclass(slots=True)
class ProgressReporter:
    """Prints progress lines with the seconds since the start; as JSON objects where the log has those."""

    output: TextIO
    style: Literal["text", "json"] = "text"
    start: float = field(default_factory=time.monotonic)

    def __call__(self, line: str) -> None:
        seconds = time.monotonic() - self.start
        if self.style == "json":
            record = logging.makeLogRecord({"name": "cogitate", "levelname": "INFO", "msg": line, "seconds": seconds})
            self.output.write(f"{JsonFormatter().format(record)}\n")
        else:
            self.output.write(f"[{seconds:5.1f} s] {line}\n")
        self.output.flush()


BackendFactory = Callable[[Settings, Callable[[str], None]], Backend]
"""Builds the backend that the settings ask for. Raises CannotStart."""


async def serve(settings: Settings, factory: BackendFactory = build_backend) -> None:
    """Run a server until it is stopped. Raises CannotServe."""
    report = ProgressReporter(sys.stdout, settings.log_format)
    tls = read_tls(settings)
    listener = bind_listener(settings)
    port = settings.metrics_port
    probes = None if port is None else bind_socket(settings.host, port, "--metrics-port")
    with redirect_engine_stderr(settings) as terminal:
        configure_log(terminal.fileno(), settings.log_level, settings.log_format)
        service = open_service(settings, report, factory)
        await run(service, listener, report, probes, tls)
    if service.failure and service.exit_status != 1:
        raise CannotServe(service.failure, service.exit_status)
    if service.failure:
        raise CannotServe(describe_failure(service.failure, settings))


async def run(
    service: Service,
    listener: socket.socket,
    report: ProgressReporter,
    probes: socket.socket | None = None,
    tls: Tls | None = None,
) -> None:
    """Serve on a bound socket until a signal or the engine's failure. `probes`: that of --metrics-port."""

    def announce() -> None:
        tune_runtime()
        if probes:
            report(f"metrics on {build_url(probes)}/metrics")
        report(build_greeting(service.backend.card.name, build_url(listener, tls)))

    # After the engine's failure the process ends, so that its supervisor starts another.
    app = create_app(service, on_ready=announce, on_death=lambda reason: server.stop())
    drain, abort = partial(service.jobs.drain, service.settings.drain_seconds), service.jobs.abort
    server = DrainingServer(app, drain, abort, service.linger, tls, kill_children)
    if probes:
        server.serve_also(create_probe_app(service), probes)
    try:
        async with asyncio.TaskGroup() as group:
            progress = group.create_task(report_loading(service, report))
            await server.serve(sockets=[listener])
            progress.cancel()
    finally:
        gc.unfreeze()  # libraries report objects that are never collected as leaked when the process ends


def read_tls(settings: Settings) -> Tls | None:
    """Read the certificate that vLLM's --ssl-* flags name. Raises CannotServe for one that cannot be used."""
    try:
        return Tls.read(settings.engine_args)
    except (ValueError, OSError) as error:
        raise CannotServe(f"--ssl-certfile: {error}") from None


def bind_listener(settings: Settings) -> socket.socket:
    """Bind the socket that clients connect to: a TCP port, or the path of vLLM's --uds. Raises CannotServe."""
    path = settings.engine_args.get("uds")
    if path is None:
        return bind_socket(settings.host, settings.port)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        listener.bind(str(path))
    except OSError as error:
        listener.close()
        raise CannotServe(f"cannot listen on --uds {path}: {error.strerror}. Remove it, or choose another.") from None
    return listener


def bind_socket(host: str, port: int, flag: str = "--port", *, is_shared: bool = False) -> socket.socket:
    """Bind the listening socket, before anything slow is started. Raises CannotServe.

    `is_shared`: with other sockets of this user's that are bound so; each new connection goes to one of them.
    The protocol is explicitly TCP: otherwise asyncio does not disable Nagle's algorithm (40 ms a response).
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER_BYTES)
    if is_shared:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    try:
        listener.bind((host, port))
    except OSError as error:
        listener.close()
        raise CannotServe(f"cannot listen on {host}:{port}: {error.strerror}. Choose another {flag}.") from None
    return listener


@contextmanager
def redirect_engine_stderr(settings: Settings) -> Iterator[TextIO]:
    """Redirects stderr, which engine processes inherit, to the engine's log file. Yields the original stderr.

    Raises CannotServe where the file cannot be written.
    """
    terminal = os.fdopen(os.dup(2), "w", buffering=1)
    try:
        if has_engine_log(settings):
            path = locate_engine_log(settings)
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


def locate_engine_log(settings: Settings) -> Path:
    return settings.engine_log or user_cache() / "cogitate" / "engine.log"


def describe_failure(failure: str, settings: Settings) -> str:
    """Add to a failure the exception in the engine's log, and the log's path."""
    if not has_engine_log(settings):
        return failure
    path = locate_engine_log(settings)
    cause = find_fatal_error(path)
    reason = f"{failure.partition(': ')[0]}: {cause}" if cause else failure
    return f"{reason} (the engine's log: {path})"


def open_service(
    settings: Settings, report: Callable[[str], None], factory: BackendFactory, metrics: Metrics | None = None
) -> Service:
    """Build the service over the engine. Raises CannotServe for settings that cannot work."""
    try:
        if settings.api_keys_file:
            Keys(settings.api_keys_file).find_holder("")  # raises InvalidKeysFile
        return build_service(settings, factory(settings, report), metrics or Metrics(), Telemetry())
    except (ValueError, OSError, InvalidKeysFile, CannotStart) as error:
        raise CannotServe(str(error)) from None


def build_url(listener: socket.socket, tls: Tls | None = None) -> str:
    scheme = "https" if tls else "http"
    if listener.family == socket.AF_UNIX:
        return f"{scheme}+unix://{listener.getsockname()}"
    host, port = listener.getsockname()[:2]
    return f"{scheme}://{f'[{host}]' if ':' in host else host}:{port}"


def build_greeting(name: str, url: str) -> str:
    """Return the lines that tell the user how to try the server."""
    body = (
        f'{{"model": "{name}", "strategy": "self_consistency", "max_tokens": 200, '
        '"messages": [{"role": "user", "content": "What is 13 + 29?"}]}'
    )
    return (
        f"ready: {name} on {url}/v1\n\n  Try it:\n\n"
        f"  curl {url}/v1/chat/completions -H 'Content-Type: application/json' -d '{body}'\n\n"
        f"  See it: {url}/   Strategies: {url}/v1/strategies   Docs: {url}/docs   Stop: Ctrl-C\n"
    )


async def report_loading(service: Service, report: ProgressReporter) -> None:
    """Report every few seconds that the model is still loading, until it is ready or has failed."""
    while not service.ready and not service.failure:
        await asyncio.sleep(PROGRESS_SECONDS)
        if not service.ready and not service.failure:
            report("still loading")
