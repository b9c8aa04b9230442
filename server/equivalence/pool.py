"""Worker processes that decide mathematical equality: the `Prover` port. The server itself never runs sympy.

Not `pebble.ProcessPool` (5.2.3, spawn context), tried against the tests of this module:

- Bytes on the pipe that are not a pickle end its reader thread: the call under way never returns, and later ones raise
  RuntimeError. Here a bad line is False for one pair, and that worker is replaced. What a worker writes is also
  unpickled in the server, which would let a compromised worker run code there; these workers answer in JSON.
- Workers inherit the server's environment, and thus its secrets (COGITATE_UPSTREAM_API_KEY).
- 1,000 pairs one after another, 2 workers, 2 cores, two rounds each: 4.1 and 3.4 s of wall time and 0.46 and 0.39 s of
  the server's processor time, against 3.2 and 2.9 s and 0.28 and 0.25 s here. Idle, its threads poll: 3 ms of processor
  time a second, against 0.04 ms.
"""

import asyncio
import json
import logging
import os
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from contextlib import suppress
from typing import Self

from cachetools import LRUCache

MAX_ANSWER_CHARACTERS = 200
"""Longer answers are not compared."""
MAX_LINE_BYTES = 1024
"""Size of one line from a worker."""
RESTART_DELAY_SECONDS = 10.0
"""Time without a new worker after one that did not start."""

log = logging.getLogger("cogitate.equivalence")

Pair = tuple[str, str]


class WorkerLost(Exception):
    """A worker ended, did not start, or sent a line that is not a verdict."""


class Worker:
    """A process that runs `worker.py`. A caller that is cancelled while it waits for a verdict must kill the worker."""

    def __init__(self, process: Process) -> None:
        assert process.stdin is not None and process.stdout is not None
        self._process, self._stdin, self._stdout = process, process.stdin, process.stdout
        self._ready = False

    @classmethod
    async def start(cls, module: str, seconds: float) -> Self:
        """Start a fresh interpreter whose own alarm ends it `seconds` into a question.

        It inherits no environment, and thus no secret, and no file descriptor but its pipes. Raises OSError when the
        system has no process or no file descriptor to give.
        """
        path = os.pathsep.join(entry or os.getcwd() for entry in sys.path)
        command = (sys.executable, "-P", "-m", module, str(seconds))
        env = {"PYTHONPATH": path, "PYTHONHASHSEED": "0"}
        # A session of its own: Ctrl-C in the server's terminal does not reach it.
        process = await asyncio.create_subprocess_exec(
            *command, stdin=PIPE, stdout=PIPE, stderr=DEVNULL, env=env, start_new_session=True, limit=MAX_LINE_BYTES
        )
        return cls(process)

    @property
    def is_alive(self) -> bool:
        return self._process.returncode is None

    async def wait_until_ready(self) -> None:
        """Wait for the end of its imports, about a second after the start. May be cancelled and awaited again.

        Raises WorkerLost.
        """
        if not self._ready:
            if await self._read_line() != "ready":
                raise WorkerLost
            self._ready = True

    async def compare(self, pair: Pair) -> tuple[bool, bool]:
        """Return the verdict, and whether the worker can take another pair. Raises WorkerLost."""
        self._stdin.write(json.dumps(pair).encode() + b"\n")  # smaller than the pipe: nothing to drain
        match await self._read_line():
            case {"equal": bool(equal), "worn": bool(worn)}:
                return equal, not worn
        raise WorkerLost

    async def _read_line(self) -> object:
        try:
            return json.loads(await self._stdout.readline())
        except (ValueError, OSError) as error:
            raise WorkerLost from error

    def kill(self) -> None:
        with suppress(ProcessLookupError):
            self._process.kill()

    async def wait_for_exit(self) -> None:
        """Wait until the killed process is reaped."""
        await self._stdout.read()  # to the end of file, or the pipe would stay open
        await self._process.wait()


class EquivalencePool:
    """At most `workers` processes, started when first needed.

    A pair has `seconds` in a worker, and twice that in the queue. The last `max_verdicts` verdicts are cached. A pair
    that ran out of time or broke its worker is cached as False: to compare it again would cost as much again.
    """

    def __init__(
        self,
        *,
        workers: int = 2,
        seconds: float = 2.0,
        max_verdicts: int = 4096,
        module: str = "cogitate.server.equivalence.worker",
    ) -> None:
        self._max_workers, self._seconds, self._module = workers, seconds, module
        self._free = asyncio.Semaphore(workers)
        self._idle: list[Worker] = []
        self._workers: list[Worker] = []
        self._verdicts: LRUCache[Pair, bool] = LRUCache(max_verdicts)
        self._no_start_before = 0.0
        """Time of the event loop's clock until which no worker is started."""
        self._closed = False

    async def equal(self, a: str, b: str) -> bool:
        """Whether two answers are surely equal. Never raises: False when in doubt, too long, out of time or closed."""
        a, b = a.strip(), b.strip()
        if not (0 < len(a) <= MAX_ANSWER_CHARACTERS and 0 < len(b) <= MAX_ANSWER_CHARACTERS):
            return False
        return a == b or await self._compare((min(a, b), max(a, b)))

    async def close(self) -> None:
        """Kill all workers and wait for them. Comparisons under way return False."""
        self._closed = True
        for worker in self._workers:
            worker.kill()
        for _ in range(self._max_workers):  # until no caller is left that could have started another
            await self._free.acquire()
        for _ in range(self._max_workers):
            self._free.release()
        for worker in self._workers:
            worker.kill()
            await worker.wait_for_exit()

    async def _compare(self, pair: Pair) -> bool:
        try:
            async with asyncio.timeout(2 * self._seconds) as queue_timeout, self._free:
                if (verdict := self._verdicts.get(pair)) is not None:
                    return verdict
                worker = await self._acquire()
                queue_timeout.reschedule(None)
                return await self._compare_in(worker, pair)
        except (TimeoutError, WorkerLost):
            return False

    async def _acquire(self) -> Worker:
        """Return a worker that is ready for a pair. Raises WorkerLost."""
        worker = await self._pop_idle_or_start()
        try:
            await worker.wait_until_ready()
        except asyncio.CancelledError:
            self._idle.append(worker)  # it goes on starting, for the next caller
            raise
        except WorkerLost:
            worker.kill()
            self._pause_starts()
            raise
        return worker

    async def _pop_idle_or_start(self) -> Worker:
        while self._idle:
            if (worker := self._idle.pop()).is_alive:
                return worker
        if self._closed or asyncio.get_running_loop().time() < self._no_start_before:
            raise WorkerLost
        await self._reap()
        try:
            worker = await Worker.start(self._module, self._seconds + 1)
        except OSError as error:
            self._pause_starts()
            raise WorkerLost from error
        self._workers.append(worker)
        if self._closed:
            worker.kill()
        return worker

    async def _reap(self) -> None:
        dead = [worker for worker in self._workers if not worker.is_alive]
        self._workers = [worker for worker in self._workers if worker.is_alive]
        for worker in dead:
            await worker.wait_for_exit()

    def _pause_starts(self) -> None:
        if not self._closed:
            self._no_start_before = asyncio.get_running_loop().time() + RESTART_DELAY_SECONDS
            log.warning(
                "A worker process that compares answers did not start; the next try is in %.0f s. Until then answers "
                "that differ as text are taken to differ.",
                RESTART_DELAY_SECONDS,
            )

    async def _compare_in(self, worker: Worker, pair: Pair) -> bool:
        """Return the verdict of a worker, and then reuses or kill it."""
        is_usable = False
        try:
            async with asyncio.timeout(self._seconds):
                equal, is_usable = await worker.compare(pair)
        except (TimeoutError, WorkerLost):
            equal = False
        finally:
            if is_usable:
                self._idle.append(worker)
            else:
                worker.kill()
        self._verdicts[pair] = equal
        return equal
