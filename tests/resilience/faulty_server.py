"""`python -m tests.resilience.faulty_server serve [flags of cogitate serve]`: the real server over a scripted engine.

It is watched, and its faults are turned on and off, over a control port that it prints: a JSON object a line, of knobs
to set, is answered by one of counters.
"""

import asyncio
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

TICK = 0.005
LONGEST = 2**22
"""Bytes of what is asked over the control port, texts to say included."""


@dataclass(slots=True)
class Lag:
    """How late the event loop is."""

    worst: float = 0.0

    async def watch(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            due = loop.time() + TICK
            await asyncio.sleep(TICK)
            self.worst = max(self.worst, loop.time() - due)

    def taken(self) -> float:
        """The worst, in milliseconds, since it was last asked for."""
        worst, self.worst = self.worst * 1000, 0.0
        return worst


@dataclass(slots=True)
class FaultyBackend(ScriptedBackend):
    kept: object = None
    """What would be collected while it works."""

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
            while line := await reader.readline():
                for name, value in json.loads(line).items():
                    death.set() if name == "death" else setattr(engine.knobs, name, value)
                told = counters(engine) | {"lag": lag.taken()}
                engine.learn()
                await asyncio.sleep(2 * TICK)
                lag.taken()  # of the learning, which no engine that makes its tokens has to do
                writer.write(json.dumps(told).encode() + b"\n")
            writer.close()

        listening = await asyncio.start_server(control, "127.0.0.1", 0, limit=LONGEST)
        sys.stdout.write(f"control on {listening.sockets[0].getsockname()[1]}\n")
        sys.stdout.flush()
        self.kept = (watch, listening)


def counters(engine: FaultyEngine) -> dict[str, object]:
    names = ("started", "submitting", "running", "finished", "cancelled", "failed", "decoded")
    more = {"tasks": len(asyncio.all_tasks()), "salts": dict(engine.salts)}
    return {name: getattr(engine, name) for name in names} | more


def score(text: str) -> float:
    return len(text) % 7 / 7


def scripted(settings: Settings, say: Callable[[str], None]) -> FaultyBackend:
    # A verifier that asks the engine nothing, for strategies that need one.
    return FaultyBackend(FaultyEngine(), verifiers={"scripted": ScriptedVerifier(score)})


if __name__ == "__main__":
    try:
        uvloop.run(serve(build_settings(build_parser().parse_args()), scripted))
    except CannotServe as error:
        sys.exit(f"cogitate: {error}")
