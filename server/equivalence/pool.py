"""The Prover port: mathematical equality decided in worker processes that can be killed, never in the server's own."""

import asyncio
import json
import logging
import os
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections import OrderedDict
from contextlib import suppress
from typing import Self

LENGTH = 200
"""Characters; a longer answer is not worth a proof."""
REST = 10.0
"""Seconds without a new child after one that did not start."""

_log = logging.getLogger("cogitate.prover")

Pair = tuple[str, str]


class Lost(Exception):
    """The child ended, or said something that is not a verdict."""


class Child:
    """A worker process (`worker.py`). A caller that is cancelled while it works on a question must kill it."""

    def __init__(self, process: Process) -> None:
        assert process.stdin is not None and process.stdout is not None
        self._process, self._stdin, self._stdout = process, process.stdin, process.stdout
        self._ready = False

    @classmethod
    async def start(cls, module: str, seconds: float) -> Self:
        """Start one whose own alarm ends it `seconds` into a question. It inherits no environment, thus no secret.

        OSError when the system has no process or no file descriptor to give.
        """
        path = os.pathsep.join(entry or os.getcwd() for entry in sys.path)
        command = (sys.executable, "-P", "-m", module, str(seconds))
        env = {"PYTHONPATH": path, "PYTHONHASHSEED": "0"}
        # Its own session: a Ctrl-C meant for the server is not for it.
        process = await asyncio.create_subprocess_exec(
            *command, stdin=PIPE, stdout=PIPE, stderr=DEVNULL, env=env, start_new_session=True, limit=1024
        )
        return cls(process)

    @property
    def alive(self) -> bool:
        return self._process.returncode is None

    async def ready(self) -> None:
        """Wait for the end of its imports, about a second after the start. May be cancelled and awaited again."""
        if not self._ready:
            if await self._line() != "ready":
                raise Lost
            self._ready = True

    async def ask(self, pair: Pair) -> tuple[bool, bool]:
        """The verdict, and whether the child can take another question."""
        self._stdin.write(json.dumps(pair).encode() + b"\n")  # smaller than the pipe: nothing to drain
        match await self._line():
            case {"equal": bool(equal), "worn": bool(worn)}:
                return equal, not worn
        raise Lost

    async def _line(self) -> object:
        try:
            return json.loads(await self._stdout.readline())
        except (ValueError, OSError) as error:
            raise Lost from error

    def kill(self) -> None:
        with suppress(ProcessLookupError):
            self._process.kill()

    async def gone(self) -> None:
        """Wait until the system has forgotten it, after a kill."""
        await self._stdout.read()  # the end of what it had said, or the pipe would stay open
        await self._process.wait()


class MathProver:
    """At most `workers` children, started when first needed; at most `seconds` a question, and twice that in the queue.

    The last `remembered` verdicts are kept. A question that ran out of time or broke its child is remembered as False:
    asked again it would cost a worker as much again.
    """

    def __init__(
        self,
        *,
        workers: int = 2,
        seconds: float = 2.0,
        remembered: int = 4096,
        module: str = "cogitate.server.equivalence.worker",
    ) -> None:
        self._workers, self._seconds, self._remembered, self._module = workers, seconds, remembered, module
        self._seats = asyncio.Semaphore(workers)
        self._idle: list[Child] = []
        self._children: list[Child] = []
        self._known: OrderedDict[Pair, bool] = OrderedDict()
        self._rest_until = 0.0
        self._closed = False

    async def equal(self, a: str, b: str) -> bool:
        """Whether the two are surely the same. Never raises: False when in doubt, too long, out of time or closed."""
        a, b = a.strip(), b.strip()
        if not (0 < len(a) <= LENGTH and 0 < len(b) <= LENGTH):
            return False
        return a == b or await self._prove((min(a, b), max(a, b)))

    async def close(self) -> None:
        """Kill all children and wait for them. Questions under way are answered False."""
        self._closed = True
        for child in self._children:
            child.kill()
        for _ in range(self._workers):  # until nobody is inside who could have started another
            await self._seats.acquire()
        for _ in range(self._workers):
            self._seats.release()
        for child in self._children:
            child.kill()
            await child.gone()

    async def _prove(self, pair: Pair) -> bool:
        try:
            async with asyncio.timeout(2 * self._seconds) as patience, self._seats:
                if (known := self._recall(pair)) is not None:
                    return known
                child = await self._hire()
                patience.reschedule(None)
                return await self._ask(child, pair)
        except (TimeoutError, Lost):
            return False

    async def _hire(self) -> Child:
        """A child that is ready for a question."""
        child = await self._next()
        try:
            await child.ready()
        except asyncio.CancelledError:
            self._idle.append(child)  # it goes on starting, for the next one who asks
            raise
        except Lost:
            child.kill()
            self._pause()
            raise
        return child

    async def _next(self) -> Child:
        while self._idle:
            if (child := self._idle.pop()).alive:
                return child
        if self._closed or asyncio.get_running_loop().time() < self._rest_until:
            raise Lost
        await self._bury()
        try:
            child = await Child.start(self._module, self._seconds + 1)
        except OSError as error:
            self._pause()
            raise Lost from error
        self._children.append(child)
        if self._closed:
            child.kill()
        return child

    async def _bury(self) -> None:
        dead = [child for child in self._children if not child.alive]
        self._children = [child for child in self._children if child.alive]
        for child in dead:
            await child.gone()

    def _pause(self) -> None:
        if not self._closed:
            self._rest_until = asyncio.get_running_loop().time() + REST
            _log.warning("The prover's worker process does not start: for %.0f s no answers are compared by it.", REST)

    async def _ask(self, child: Child, pair: Pair) -> bool:
        usable = False
        try:
            async with asyncio.timeout(self._seconds):
                equal, usable = await child.ask(pair)
        except (TimeoutError, Lost):
            equal = False
        finally:
            if usable:
                self._idle.append(child)
            else:
                child.kill()
        self._remember(pair, equal)
        return equal

    def _recall(self, pair: Pair) -> bool | None:
        if pair in self._known:
            self._known.move_to_end(pair)
        return self._known.get(pair)

    def _remember(self, pair: Pair, equal: bool) -> None:
        self._known[pair] = equal
        if len(self._known) > self._remembered:
            self._known.popitem(last=False)
