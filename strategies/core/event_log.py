"""An append-only event log that any number of readers can follow while it grows."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from typing import Generic, TypeVar

E = TypeVar("E")


@dataclass(frozen=True, slots=True)
class Entry(Generic[E]):
    """One event and its time."""

    seconds: float
    """Since the log was created."""
    event: E


@dataclass(slots=True)
class Cursor:
    """A reader's position in a log."""

    index: int = 0
    """Entries read."""
    offset: int = 0
    """Characters read of the next entry, where that is text that may grow."""


class EventLog(Generic[E]):
    """Events in order. No reader loses any; one that starts late replays the log."""

    def __init__(self) -> None:
        self.entries: list[Entry[E]] = []
        self.closed = False
        self._began = time.monotonic()
        self._followers: list[asyncio.Future[None]] = []

    @property
    def count(self) -> int:
        """Number of events so far."""
        return len(self.entries)

    @property
    def has_news(self) -> bool:
        """Whether anything has happened that a reader could be told."""
        return bool(self.entries)

    @property
    def seconds(self) -> float:
        """Seconds since the log was created."""
        return time.monotonic() - self._began

    def emit(self, event: E) -> None:
        self.entries.append(Entry(self.seconds, event))
        self.wake()

    def next_event(self, cursor: Cursor) -> E | None:
        """Return the event at the cursor and advance it; None where there is none yet."""
        if cursor.index == self.count:
            return None
        cursor.index += 1
        return self.entries[cursor.index - 1].event

    def close(self) -> None:
        self.closed = True
        self.wake()

    def __iter__(self) -> Iterator[E]:
        return (entry.event for entry in self.entries)

    async def follow(self, cursor: Cursor | None = None) -> AsyncIterator[E]:
        """Yield events from the cursor, or from the start, until the log is closed."""
        cursor = cursor or Cursor()
        while True:
            while (event := self.next_event(cursor)) is not None:
                yield event
            if self.closed:
                return
            await self.wait()

    async def wait(self, seconds: float | None = None) -> bool:
        """Wait for the next event, the log's end, or a call of `wake`. Returns False after `seconds` without any."""
        news = asyncio.get_running_loop().create_future()
        self._followers.append(news)
        await asyncio.wait([news], timeout=seconds)
        return news.done()

    def wake(self) -> None:
        """Wake all readers, also without a new entry."""
        waiting, self._followers = self._followers, []
        for news in waiting:
            if not news.done():
                news.set_result(None)
