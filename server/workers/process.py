"""A worker as its parent sees it: start it, talk to it, and decide when another takes its place."""

import os
import signal
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing import get_context
from multiprocessing.connection import Connection
from multiprocessing.context import ForkProcess
from typing import Protocol

from cogitate.server.workers.messages import Failed, Loaded, Order, Report, Serving

STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT)
STEADY_SECONDS = 60.0
"""A worker that has run for so long is replaced at once."""
MAX_DELAY_SECONDS = 30.0
MAX_FAILED_STARTS = 5
"""Starts in a row that may fail."""
MAX_SILENCE_SECONDS = 60.0
"""Time without a heartbeat, after which a worker is taken for one that hangs."""
FORK = get_context("fork")
"""The parent has no threads. Workers share the memory of what it has imported, and start in milliseconds."""


class Closable(Protocol):
    def close(self) -> None: ...


@dataclass(slots=True)
class WorkerProcess:
    """The worker of one number, and those that take its place."""

    number: int
    process: ForkProcess | None = None
    connection: Connection | None = None
    failure: Failed | None = None
    """Why the worker ends, by its own account."""
    name: str | None = None
    """The model's, once the worker is loaded."""
    is_serving: bool = False
    process_id: int | None = None
    restart_at: float | None = None
    """Time, by `time.monotonic`, at which another takes its place."""
    started: float = 0.0
    last_heard: float = 0.0
    early_ends: int = 0
    """Workers in a row that have ended within STEADY_SECONDS."""
    failed_starts: int = 0
    """Of these, in a row, those that have never served."""

    def start(self, target: Callable[[Connection], None], inherited: Iterable[Closable]) -> None:
        """Fork the process. `inherited`: what it is to close, since it is the parent's."""
        self.failure, self.name, self.is_serving, self.restart_at = None, None, False, None
        self.connection, theirs = FORK.Pipe()
        to_close = [*inherited, self.connection]
        self.process = FORK.Process(target=run_forked, args=(target, theirs, to_close), name=f"worker {self.number}")
        self.started = self.last_heard = time.monotonic()
        signal.pthread_sigmask(signal.SIG_BLOCK, STOP_SIGNALS)  # a handler of the parent's must not run in the worker
        try:
            self.process.start()
        finally:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, STOP_SIGNALS)
        self.process_id = self.process.pid
        theirs.close()

    def send(self, order: Order) -> None:
        """Send an order, if the process still runs."""
        if self.connection:
            with suppress(OSError):
                self.connection.send(order)

    def receive(self) -> list[Report]:
        """Return what the worker has reported since the last call."""
        reports: list[Report] = []
        with suppress(EOFError, OSError):
            while self.connection and self.connection.poll():
                reports.append(self.connection.recv())
        for report in reports:
            self.last_heard = time.monotonic()
            match report:
                case Loaded():
                    self.name = report.name
                case Serving():
                    self.is_serving = True
                case Failed():
                    self.failure = report
        return reports

    def has_ended(self) -> bool:
        return self.process is not None and not self.process.is_alive()

    def kill(self) -> None:
        """Kill the process, if it still runs."""
        if self.process:
            self.process.kill()

    def kill_if_silent(self, since: float) -> None:
        """Kill a process that hangs: the kernel goes on giving it connections. `since`: from when on silence counts."""
        if self.process and time.monotonic() - max(since, self.last_heard) > MAX_SILENCE_SECONDS:
            self.failure = Failed(f"worker {self.number} hung for {MAX_SILENCE_SECONDS:g} s, and was killed", 1)
            self.kill()

    def collect(self) -> int:
        """Release a process that has ended, and return its exit status, which is negative for a signal.

        What it reported last is read first, since that says why it has ended.
        """
        assert self.process is not None and self.connection is not None
        self.receive()
        status = self.process.exitcode
        assert status is not None
        self.process.close()
        self.connection.close()
        self.process = self.connection = None
        return status

    def schedule_restart(self) -> float | None:
        """Return the seconds until another worker takes this one's place; None after too many failed starts."""
        self.failed_starts = 0 if self.is_serving else self.failed_starts + 1
        if self.failed_starts >= MAX_FAILED_STARTS:
            return None
        is_early = not self.is_serving or time.monotonic() - self.started < STEADY_SECONDS
        self.early_ends = self.early_ends + 1 if is_early else 0
        delay = min(MAX_DELAY_SECONDS, 2.0 ** (self.early_ends - 2)) if self.early_ends > 1 else 0.0
        self.restart_at = time.monotonic() + delay
        return delay

    def describe_end(self, status: int) -> str:
        """Return why the worker has ended, in its own words where it has told them."""
        if self.failure:
            return self.failure.reason
        how = f"was killed by {signal.Signals(-status).name}" if status < 0 else f"ended with status {status}"
        return f"worker {self.number} {how}"


def run_forked(target: Callable[[Connection], None], connection: Connection, to_close: list[Closable]) -> None:
    """Make the forked process its own, and run the target."""
    os.setpgid(0, 0)  # Ctrl-C in the terminal reaches the parent alone
    signal.set_wakeup_fd(-1)
    for number in STOP_SIGNALS:
        signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, STOP_SIGNALS)
    for each in to_close:
        each.close()
    target(connection)
