"""`python -m tests.resilience.faulty_server serve [flags of cogitate serve]`: the real server over a scripted engine.

A test reads its counters and sets its faults over a control port, whose number the server prints: each line of the
connection is a JSON object of knobs to set, and the reply is a JSON object of counters.
"""

import asyncio
import contextlib
import json
import sys
from collections.abc import Callable
from dataclasses import dataclass

import uvloop

from cogitate.server.cli import build_parser, build_settings
from cogitate.server.launcher import CannotServe, serve
from cogitate.server.settings import Settings
from cogitate.strategies.core.scripted import ScriptedVerifier
from tests.fakes.backend import ScriptedBackend
from tests.resilience.faulty_engine import FaultyEngine

TICK_SECONDS = 0.005
MAX_CONTROL_LINE_BYTES = 2**22
"""Reply texts are part of the line."""


@dataclass(slots=True)
class Lag:
    """Measures how late the event loop runs its callbacks."""

    worst: float = 0.0

    async def watch(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            due = loop.time() + TICK_SECONDS
            await asyncio.sleep(TICK_SECONDS)
            self.worst = max(self.worst, loop.time() - due)

    def pop(self) -> float:
        """Return the worst lag in milliseconds since the last call."""
        worst, self.worst = self.worst * 1000, 0.0
        return worst


@dataclass(slots=True)
class FaultyBackend(ScriptedBackend):
    """The scripted backend with a control port and an event loop monitor."""

    references: object = None
    """Keeps the server's task and socket from being garbage-collected."""

    def progress_marker(self) -> object:
        engine = self.engine
        assert isinstance(engine, FaultyEngine)
        return (engine.started, engine.decoded) if engine.running + engine.submitting else None

    async def open(self) -> None:
        engine, death, lag = self.engine, asyncio.Event(), Lag()
        assert isinstance(engine, FaultyEngine)
        self.death = death
        watch = asyncio.ensure_future(lag.watch())

        async def control(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            with contextlib.suppress(asyncio.CancelledError):  # streams log it with a traceback when the server stops
                await serve_control(reader, writer)

        async def serve_control(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            while line := await reader.readline():
                knobs = json.loads(line)
                for name, value in knobs.items():
                    death.set() if name == "death" else setattr(engine.knobs, name, value)
                state = counters(engine) | {"lag": lag.pop()}
                if knobs:
                    engine.learn()
                    await asyncio.sleep(2 * TICK_SECONDS)
                    lag.pop()  # drops the lag of tokenizing the texts, which only a scripted engine does
                writer.write(json.dumps(state).encode() + b"\n")
            writer.close()

        listening = await asyncio.start_server(control, "127.0.0.1", 0, limit=MAX_CONTROL_LINE_BYTES)
        sys.stdout.write(f"control on {listening.sockets[0].getsockname()[1]}\n")
        sys.stdout.flush()
        self.references = (watch, listening)


def counters(engine: FaultyEngine) -> dict[str, object]:
    names = ("started", "submitting", "running", "finished", "cancelled", "failed", "decoded")
    more = {"tasks": len(asyncio.all_tasks()), "salts": dict(engine.salts)}
    return {name: getattr(engine, name) for name in names} | more


def score(text: str) -> float:
    return len(text) % 7 / 7


def create_backend(settings: Settings, say: Callable[[str], None]) -> FaultyBackend:
    """Create the backend; its `scripted` verifier scores without a call of the engine."""
    return FaultyBackend(FaultyEngine(), verifiers={"scripted": ScriptedVerifier(score)})


if __name__ == "__main__":
    try:
        uvloop.run(serve(build_settings(build_parser().parse_args()), create_backend))
    except CannotServe as error:
        sys.exit(f"cogitate: {error}")
