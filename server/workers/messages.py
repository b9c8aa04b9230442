"""The messages between a parent process and its workers, over a pipe for each worker."""

import select
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection

HEARTBEAT_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Progress:
    """A worker's line for the terminal. All workers report the same ones."""

    line: str


@dataclass(frozen=True, slots=True)
class Loaded:
    """A worker could accept requests, and waits for `Go`. `name`: the model's."""

    name: str


@dataclass(frozen=True, slots=True)
class Serving:
    """A worker accepts requests."""


@dataclass(frozen=True, slots=True)
class Alive:
    """A worker's event loop runs. Sent every HEARTBEAT_SECONDS."""


@dataclass(frozen=True, slots=True)
class Failed:
    """A worker cannot start, or its engine has failed; it ends."""

    reason: str
    exit_status: int


Report = Progress | Loaded | Serving | Alive | Failed


@dataclass(frozen=True, slots=True)
class Go:
    """Accept requests: every worker is loaded."""


@dataclass(frozen=True, slots=True)
class Stop:
    """Drain and end, as on this signal. A second one changes nothing."""

    signal: int


@dataclass(frozen=True, slots=True)
class Abort:
    """End now."""


Order = Go | Stop | Abort


def send_report(connection: Connection, report: Report) -> None:
    """Send a report, unless the parent has ended: the worker notices that where it takes its orders."""
    with suppress(OSError):
        connection.send(report)


def can_send(connection: Connection) -> bool:
    """Whether a report would not have to wait: a parent that is suspended reads none, and the pipe becomes full."""
    poll = select.poll()
    poll.register(connection.fileno(), select.POLLOUT)
    return bool(poll.poll(0))
