"""A client that stops reading a plain stream: it costs little memory, and its decode ends as soon as it leaves."""

import asyncio
import contextlib
import json
import socket
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field

import pytest

from cogitate.server.engine.remote import RemoteBackend, UpstreamConfig
from cogitate.strategies.core.ports import ABILITIES
from cogitate.strategies.core.scripted import ScriptedEngine
from tests.fakes.backend import ScriptedBackend
from tests.fakes.live_server import HELLO, Live, eventually, live
from tests.fakes.upstream import FakeUpstream, Script

pytestmark = pytest.mark.live
CLOSE_SECONDS = 10
"""Below the time-out of a send, 30 s, after which a reader is dropped anyway; above the delay of a busy machine."""
READERS = 20
MAX_READER_BYTES = 128 * 1024
EVENT_BYTES = 128
HEAD = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1_700_000_000, "model": "scripted"}
LOGPROBS_BYTES = 6000
"""Size of an event with 20 alternatives for its token."""


@dataclass(slots=True)
class EndlessBackend(ScriptedBackend):
    """Plain streams without end, as fast as they are read; counts events, and generators that are open."""

    line_bytes: int = 300
    events: int = 0
    unclosed: int = 0
    references: list[object] = field(default_factory=list)
    """The generators, so that garbage collection does not close them."""

    async def answer(self, request, salt=""):
        stream = self._make_lines()
        self.references.append(stream)
        return stream

    async def _make_lines(self) -> AsyncIterator[str]:
        self.unclosed += 1
        try:
            while True:
                self.events += 1
                choice = {"index": 0, "delta": {"content": "x" * self.line_bytes}, "finish_reason": None}
                yield f"data: {json.dumps(HEAD | {'choices': [choice]})}\n\n"
                await asyncio.sleep(0)
        finally:
            self.unclosed -= 1


def open_stream(server: Live) -> socket.socket:
    """Requests a plain stream with a small receive buffer; reads nothing of it."""
    host, port = server.url.removeprefix("http://").split(":")
    body = json.dumps(HELLO | {"stream": True}).encode()
    connection = socket.socket()
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    connection.connect((host, int(port)))
    head = f"POST /v1/chat/completions HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\n"
    connection.sendall(head.encode() + b"Content-Length: %d\r\n\r\n" % len(body) + body)
    return connection


def wait_until_still(count: Callable[[], int]) -> None:
    """Return once `count` has begun and does not grow for a fifth of a second."""
    eventually(count)
    before, since = count(), time.monotonic()
    while time.monotonic() - since < 0.2:
        time.sleep(0.02)
        if (now := count()) != before:
            before, since = now, time.monotonic()


def seconds_until(check: Callable[[], bool]) -> float:
    began = time.monotonic()
    eventually(check, 2 * CLOSE_SECONDS)
    return time.monotonic() - began


@pytest.mark.parametrize("line_bytes", [1, 300, LOGPROBS_BYTES])
def test_a_frozen_reader_that_leaves_ends_the_decode_at_once(line_bytes):
    with live(ScriptedEngine([]), backend=lambda engine: EndlessBackend(engine, line_bytes=line_bytes)) as server:
        backend = server.service.backend
        with open_stream(server):
            wait_until_still(lambda: backend.events)
            assert backend.unclosed == 1
        assert seconds_until(lambda: backend.unclosed == 0) < CLOSE_SECONDS
        eventually(lambda: not server.service.jobs.live)


@contextlib.contextmanager
def run_upstream(script: Script) -> Iterator[FakeUpstream]:
    """Run an upstream in a thread of its own."""
    upstream, loop = FakeUpstream(script), asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    asyncio.run_coroutine_threadsafe(upstream.start(), loop).result(5)
    try:
        yield upstream
    finally:
        asyncio.run_coroutine_threadsafe(upstream.stop(), loop).result(5)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(5)
        loop.close()


@pytest.mark.faults
def test_a_frozen_reader_that_leaves_ends_the_upstreams_request_at_once():
    with run_upstream(Script(texts=["word " * 50_000], pace=0.0001)) as upstream:

        def connect(_: ScriptedEngine) -> RemoteBackend:
            return RemoteBackend([UpstreamConfig(upstream.url)], name="scripted", abilities=ABILITIES)

        with live(ScriptedEngine([]), backend=connect) as server:
            with open_stream(server):
                eventually(lambda: server.service.backend.load().running == 1)
                (job,) = server.service.jobs.live
                wait_until_still(lambda: job.record.count)
                assert upstream.counters.aborted == 0
            took = seconds_until(lambda: server.service.backend.load().running == 0)
            assert took < CLOSE_SECONDS
            eventually(lambda: upstream.counters.aborted == 1)


@pytest.mark.parametrize("line_bytes", [1, 300, LOGPROBS_BYTES])
def test_a_frozen_reader_costs_little_memory(line_bytes):
    """Count what the jobs hold: neither events that were sent, nor many large ones that were not."""
    with live(ScriptedEngine([]), backend=lambda engine: EndlessBackend(engine, line_bytes=line_bytes)) as server:
        backend = server.service.backend
        with contextlib.ExitStack() as stack:
            for _ in range(READERS):
                stack.enter_context(open_stream(server))
            eventually(lambda: backend.unclosed == READERS, 20)
            wait_until_still(lambda: backend.events)
            records = [job.record for job in server.service.jobs.live]
            sizes = [sum(len(line) + EVENT_BYTES for line in record) for record in records]
            assert len(sizes) == READERS and max(sizes) < MAX_READER_BYTES, f"{max(sizes) / 1024:.0f} KiB"
            assert min(record.count for record in records) > 0
