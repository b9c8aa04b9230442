"""Prints the files that a plain chat request passes: python -m tests.bench.request_path.

One request runs through the ASGI application and its middleware, without a socket and on the scripted engine. Two
figures are printed: the number of the project's files in which a function runs, and the number of climbs. A climb is a
call from one file into another that was entered earlier, to which a reader of the code has to go back. Code below the
engine's port is not counted, since it differs between engines.
"""

import asyncio
import functools
import logging
import sys
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any

import orjson

from cogitate.server.app import create_app
from cogitate.server.cache import MemoryCache
from cogitate.server.observability.metrics import Metrics
from cogitate.server.serving.service import Service
from cogitate.server.settings import Settings
from cogitate.strategies.core.scripted import ScriptedEngine, ScriptedProver
from tests.fakes.backend import ScriptedBackend

MAX_FILES = 20
MAX_CLIMBS = 8
REPOSITORY = Path(sys.modules["cogitate.server"].__file__ or "").resolve().parent.parent
ENGINE = "tests/fakes/backend.py"
CHAT = {"model": "scripted", "messages": [{"role": "user", "content": "What is 6*7?"}]}


@dataclass(slots=True)
class RequestPath:
    """The calls of the project's functions, in order."""

    files: dict[str, list[str]] = field(default_factory=dict)
    """File -> its functions, in the order of their first calls."""
    climbs: list[tuple[str, str]] = field(default_factory=list)
    """The calling file, and the called function."""
    frames: set[FrameType] = field(default_factory=set)
    """Frames seen, so that a resumed coroutine is not counted again. The references prevent reuse of a frame's id."""

    def record(self, frame: FrameType, event: str, _: object) -> None:
        """Record a call: the callback of `sys.setprofile`."""
        if event != "call" or frame in self.frames or (name := find_file(frame)) is None:
            return
        self.frames.add(frame)
        callers = [file for each in stack_below(frame) if (file := find_file(each))]
        if ENGINE in (name, *callers):
            return
        function, order = frame.f_code.co_qualname, list(self.files)
        if name not in self.files:
            self.files[name] = []
        elif callers and order.index(name) < order.index(callers[0]):
            self.climbs.append((callers[0], f"{name}: {function}"))
        if function not in self.files[name]:
            self.files[name].append(function)


def find_file(frame: FrameType) -> str | None:
    """Return the file of a frame relative to the repository; None for code outside the project."""
    return relative_name(frame.f_code.co_filename)


@functools.cache
def relative_name(path: str) -> str | None:
    resolved = Path(path).resolve()
    name = str(resolved.relative_to(REPOSITORY)) if resolved.is_relative_to(REPOSITORY) else ""
    return name if name.startswith(("server/", "strategies/", ENGINE)) else None


def stack_below(frame: FrameType) -> list[FrameType]:
    """Return the callers of a frame, innermost first."""
    below = []
    while frame.f_back is not None:
        frame = frame.f_back
        below.append(frame)
    return below


async def call(app: Callable[..., Awaitable[None]], body: bytes) -> tuple[int, bytes]:
    """Post a chat request. Returns the status and the body."""
    headers = [(b"host", b"localhost"), (b"content-type", b"application/json")]
    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "POST",
        "scheme": "http",
        "path": "/v1/chat/completions",
        "raw_path": b"/v1/chat/completions",
        "query_string": b"",
        "root_path": "",
        "headers": [*headers, (b"content-length", str(len(body)).encode())],
        "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 8000),
        "state": {},
    }
    sent: list[dict[str, Any]] = []
    requests = iter([{"type": "http.request", "body": body, "more_body": False}])

    async def receive() -> dict[str, Any]:
        if (message := next(requests, None)) is not None:
            return message
        await asyncio.Event().wait()
        raise AssertionError

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    await app(scope, receive, send)
    return sent[0]["status"], b"".join(message.get("body", b"") for message in sent[1:])


async def measure(**fields: object) -> RequestPath:
    """Trace the second of two equal requests, so that initialisation is not counted. `fields`: of the request."""
    service = Service(
        ScriptedBackend(ScriptedEngine(["forty-two"])), MemoryCache(ttl=60), ScriptedProver(), Settings(), Metrics()
    )
    app, body = create_app(service), orjson.dumps(CHAT | fields)
    logging.getLogger("cogitate.requests").setLevel(logging.INFO)  # as in `cogitate serve`
    await service.open()
    await call(app, body)
    path = RequestPath()
    sys.setprofile(path.record)
    try:
        status, content = await call(app, body)
    finally:
        sys.setprofile(None)
    assert status == 200, content
    await service.close()
    return path


def main() -> None:
    path = asyncio.run(measure())
    for at, (name, functions) in enumerate(path.files.items(), 1):
        print(f"{at:3} {name}: {', '.join(functions)}")
    for caller, function in path.climbs:
        print(f"  climb: {caller} -> {function}")
    print(f"{len(path.files)} files (at most {MAX_FILES}), {len(path.climbs)} climbs (at most {MAX_CLIMBS})")


if __name__ == "__main__":
    main()
