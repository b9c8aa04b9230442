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


@dataclass(slots=True)
class Place:
    """How far somebody has been told a record."""

    at: int = 0
    """So many entries,"""
    within: int = 0
    """and so much of the next one."""


class Record(Generic[E]):
    """What happened, in order. Any number of followers, none lossy; a late one replays."""

    def __init__(self) -> None:
        self.entries: list[Entry[E]] = []
        self.closed = False
        self._began = time.monotonic()
        self._followers: list[asyncio.Future[None]] = []

    def emit(self, event: E) -> None:
        self.entries.append(Entry(time.monotonic() - self._began, event))
        self._wake()

    def tell(self, place: Place) -> E | None:
        """What comes next, to one who follows, and moves the place behind it; None where nothing has come yet."""
        if place.at == len(self.entries):
            return None
        place.at += 1
        return self.entries[place.at - 1].event

    def close(self) -> None:
        self.closed = True
        self._wake()

    def __iter__(self) -> Iterator[E]:
        return (entry.event for entry in self.entries)

    async def follow(self, place: Place | None = None) -> AsyncIterator[E]:
        """Replay from `place`, or from the start; then keep up until closed."""
        place = place or Place()
        while True:
            while (event := self.tell(place)) is not None:
                yield event
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
