"""The record of a relayed stream, bounded in bytes: it waits for its readers, and forgets what they have read."""

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import suppress

from cogitate.strategies.core.event_log import Cursor, EventLog

MAX_UNREAD_BYTES = 64 * 1024
"""How much a stream may be ahead of its slowest reader; one event, however large, may exceed it."""
EVENT_BYTES = 128
"""Memory of an event beyond its characters."""
CHECK_SECONDS = 0.05
"""Seconds between two checks of whether a slow reader has left."""


class RelayLog(EventLog[str]):
    """Events of an engine's stream.

    `keep_read`: also what was read is kept, since a request with the same Idempotency-Key reads it from the start.
    """

    def __init__(self, *, keep_read: bool = False) -> None:
        super().__init__()
        self.keep_read = keep_read
        self._events: list[str] = []
        """Events that are not forgotten."""
        self._ends: list[int] = []
        """Bytes up to the end of each of these."""
        self._forgotten = 0
        self._forgotten_bytes = 0
        self._was_read = asyncio.Event()

    @property
    def count(self) -> int:
        return self._forgotten + len(self._events)

    def __iter__(self) -> Iterator[str]:
        """The events that are not forgotten: all, until the first is read."""
        return iter(self._events)

    def emit(self, event: str) -> None:
        self._events.append(event)
        self._ends.append(self._bytes_up_to(self.count - 1) + len(event) + EVENT_BYTES)
        self.wake()

    def next_event(self, cursor: Cursor) -> str | None:
        if cursor.index == self.count:
            return None
        assert cursor.index >= self._forgotten
        cursor.index += 1
        self._was_read.set()
        return self._events[cursor.index - 1 - self._forgotten]

    def unread_bytes(self, cursors: Sequence[Cursor]) -> int:
        """Bytes that the slowest reader has not read."""
        return max((self._bytes_up_to(self.count) - self._bytes_up_to(cursor.index) for cursor in cursors), default=0)

    def has_room(self, cursors: Sequence[Cursor]) -> bool:
        """Whether the stream may go on. Forgets what all have read."""
        if cursors and not self.keep_read:
            self._forget(min(cursor.index for cursor in cursors))
        return self.unread_bytes(cursors) <= MAX_UNREAD_BYTES

    async def wait_for_read(self) -> None:
        """Return when an event is read, and after CHECK_SECONDS in any case."""
        self._was_read.clear()
        with suppress(TimeoutError):
            async with asyncio.timeout(CHECK_SECONDS):  # wait_for may swallow a cancellation
                await self._was_read.wait()

    def _forget(self, count: int) -> None:
        """Forget the events up to number `count`."""
        self._forgotten_bytes = self._bytes_up_to(count)
        del self._events[: count - self._forgotten], self._ends[: count - self._forgotten]
        self._forgotten = count

    def _bytes_up_to(self, count: int) -> int:
        return self._ends[count - self._forgotten - 1] if count > self._forgotten else self._forgotten_bytes
