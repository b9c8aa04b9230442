"""A list that can be followed while it grows: record and queue in one."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from typing import Generic, TypeVar

E = TypeVar("E")


@dataclass(frozen=True, slots=True)
class Entry(Generic[E]):
    seconds: float
    """Since the record began."""
    event: E


class Record(Generic[E]):
    """What happened, in order. Any number of followers, none lossy; a late one replays."""

    def __init__(self) -> None:
        self.entries: list[Entry[E]] = []
        self.closed = False
        self.told = 0
        """How many of the entries somebody has been given."""
        self._began = time.monotonic()
        self._followers: list[asyncio.Future[None]] = []

    def emit(self, event: E) -> None:
        self.entries.append(Entry(time.monotonic() - self._began, event))
        self._wake()

    def tell(self, at: int) -> E:
        """The event at this place, to one who follows."""
        self.told = max(self.told, at + 1)
        return self.entries[at].event

    def close(self) -> None:
        self.closed = True
        self._wake()

    def __iter__(self) -> Iterator[E]:
        return (entry.event for entry in self.entries)

    async def follow(self, start: int = 0) -> AsyncIterator[E]:
        """Replay from `start`, then keep up until closed."""
        while True:
            while start < len(self.entries):
                yield self.tell(start)
                start += 1
            if self.closed:
                return
            await self.grown()

    async def grown(self, seconds: float | None = None) -> bool:
        """Returns at the next event or when it is closed; False when `seconds` passed before."""
        news = asyncio.get_running_loop().create_future()
        self._followers.append(news)
        await asyncio.wait([news], timeout=seconds)
        return news.done()

    def nudge(self) -> None:
        """Wakes the followers, to look at something else."""
        self._wake()

    def _wake(self) -> None:
        waiting, self._followers = self._followers, []
        for news in waiting:
            if not news.done():
                news.set_result(None)
