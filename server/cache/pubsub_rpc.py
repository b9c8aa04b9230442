"""The line between processes over one Redis: a question goes to all the others, and the first answer is taken.

Nothing stands in Redis. Where it does not serve, there is no answer: everybody is alone.
"""

import asyncio
import os
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Protocol

from redis.exceptions import RedisError

from cogitate.server.cache.circuit_breaker import Breaker
from cogitate.server.cache.redis_client import PREFIX, Link
from cogitate.server.cache.redis_url import Subscription, connect, database, let_go
from cogitate.server.cache.signing import seal, unseal

Answer = Callable[[bytes], bytes | None]
"""What this process says to a question of another's; None: nothing."""
PATIENCE = 1.0
"""Seconds for all the others to answer. Only one that stands still lets it pass."""
BEAT = 5.0
"""Seconds of silence after which the connection is tried; after two it is given up."""
PAUSE = 1.0
"""Seconds until a lost connection is made again."""
MOST_BYTES = 4 << 20
NAME = 16
"""Bytes of the name of a process, and of a question's."""
ASKED, TOLD = b"?", b"!"


class Line(Protocol):
    async def ask(self, question: bytes) -> bytes | None:
        """The first answer of another process. None: none of them has one, or none can be reached."""

    async def listen(self, answer: Answer) -> None:
        """Answers the others, until it is cancelled."""

    async def close(self) -> None:
        """Let go of every connection."""


class Alone:
    """There is no other process."""

    async def ask(self, question: bytes) -> bytes | None:
        return None

    async def listen(self, answer: Answer) -> None:
        pass

    async def close(self) -> None:
        pass


@dataclass(frozen=True, slots=True)
class Said:
    """What goes over the line: a question with who asks, or the answer to the question of that name."""

    kind: bytes
    by: bytes
    name: bytes
    text: bytes

    @classmethod
    def read(cls, said: bytes) -> "Said":
        return cls(said[:1], said[1 : 1 + NAME], said[1 + NAME : 1 + 2 * NAME], said[1 + 2 * NAME :])

    def __bytes__(self) -> bytes:
        return self.kind + self.by + self.name + self.text


class RedisLine:
    """`secret`: whoever does not know it can neither ask nor answer. `timeout` as in `Link`, and what it raises."""

    def __init__(
        self,
        url: str,
        *,
        on_fault: Callable[[str], None],
        secret: bytes | None = None,
        patience: float = PATIENCE,
        timeout: float = PATIENCE / 4,
    ) -> None:
        self._link, self._hearing, self._on_fault = Link(url, on_fault, timeout=timeout), connect(url, 1), on_fault
        self._secret, self._patience = secret, patience
        self._me = os.urandom(NAME)
        self._everybody = f"{PREFIX}line:{database(url)}"
        self._breaker = Breaker()
        self._asked: dict[bytes, asyncio.Queue[bytes]] = {}
        self.hears = False
        """Whether what the others say reaches this process now."""

    async def ask(self, question: bytes) -> bytes | None:
        name = os.urandom(NAME)
        replies = self._asked[name] = asyncio.Queue[bytes]()
        try:
            async with asyncio.timeout(self._patience):
                everybody = await self._say(self._everybody, Said(ASKED, self._me, name, question))
                for _ in range(everybody - self.hears):
                    if reply := await replies.get():
                        return reply
        except TimeoutError:
            return None
        finally:
            del self._asked[name]
        return None

    async def listen(self, answer: Answer) -> None:
        while True:
            with suppress(RedisError, OSError, TimeoutError):
                async with self._hearing.pubsub() as subscription:
                    await self._hear(subscription, answer)
            self.hears = False
            await asyncio.sleep(PAUSE)

    async def close(self) -> None:
        await self._link.close()
        await let_go(self._hearing)

    async def _hear(self, subscription: Subscription, answer: Answer) -> None:
        """Returns when there is nobody at the other end any more."""
        async with asyncio.timeout(BEAT):
            await subscription.subscribe(self._everybody, self._own(self._me))
        silent = 0
        while silent < 2:
            try:
                async with asyncio.timeout(BEAT):
                    message = await subscription.get_message(timeout=None)
            except TimeoutError:
                silent += 1
                async with asyncio.timeout(BEAT):
                    await subscription.ping()
                continue
            silent, self.hears = 0, True
            if message and message["type"] == "message":
                await self._take(message["channel"].decode(), message["data"], answer)

    async def _take(self, channel: str, sealed: bytes, answer: Answer) -> None:
        if len(sealed) > 2 * MOST_BYTES or (opened := unseal(channel, sealed, self._secret)) is None:
            self._on_fault("corrupt")
            return
        said = Said.read(opened)
        if said.kind == TOLD and (replies := self._asked.get(said.name)) is not None:
            replies.put_nowait(said.text)
        elif said.kind == ASKED and said.by != self._me:
            told = answer(said.text) or b""
            told = told if len(told) <= MOST_BYTES else b""
            await self._say(self._own(said.by), Said(TOLD, self._me, said.name, told))

    async def _say(self, channel: str, said: Said) -> int:
        """How many hear it."""
        sealed = seal(channel, bytes(said), self._secret)
        return (
            await self._link.attempt("publish to", self._breaker, lambda: self._link.redis.publish(channel, sealed))
            or 0
        )

    def _own(self, process: bytes) -> str:
        return f"{self._everybody}:{process.hex()}"
