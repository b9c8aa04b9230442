"""The cache in Redis, shared by all servers that point at it. Redis may be down, slow, read-only, full or lying."""

import asyncio
import hmac
import logging
import os
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import TypeVar

from redis.exceptions import RedisError, ResponseError

from server.cache.breaker import Breaker
from server.cache.connection import connect, place
from server.cache.envelope import OVERHEAD, seal, unseal

PREFIX = "cogitate:1:"
CLAIM = ":lock"
CLAIM_SECONDS = 6
"""How long a claim outlives a process that died."""
CONNECTIONS = 16
"""At most so many at a time. More would only have each wait for the others' turn on the event loop."""

_log = logging.getLogger("cogitate.cache")
_T = TypeVar("_T")


class RedisCache:
    """`ttl` and `timeout` in seconds, `max_value` in bytes.

    Redis has `timeout` to serve a get or a put, which with the wait for a free connection end within twice that.
    `on_fault` and `secret` as in `open_cache`. ValueError for an impossible URL, a `ttl` below 1, an empty secret.
    """

    def __init__(
        self,
        url: str,
        *,
        ttl: int,
        on_fault: Callable[[str], None],
        secret: bytes | None = None,
        timeout: float = 0.1,
        max_value: int = 4 << 20,
    ) -> None:
        if ttl < 1:
            raise ValueError("a cached answer must live for at least one second")
        if secret == b"":
            raise ValueError("the cache's secret is empty")
        self._redis = connect(url, CONNECTIONS)
        self._place = place(url)
        self._ttl, self._timeout, self._max_value = ttl, timeout, max_value
        self._on_fault, self._secret = on_fault, secret
        self._seats = asyncio.Semaphore(CONNECTIONS)
        self._reads, self._writes = Breaker(), Breaker()
        self._closed = False
        self._token = os.urandom(16)

    async def get(self, key: str) -> bytes | None:
        return await self._attempt("read from", self._reads, lambda: self._read(key))

    async def put(self, key: str, value: bytes) -> None:
        if len(value) <= self._max_value:
            await self._attempt("write to", self._writes, lambda: self._write(key, value))

    async def claim(self, key: str) -> bool:
        name = self._name(key) + CLAIM
        taken = await self._attempt("write to", self._writes, lambda: self._claimed(name))
        return taken is not False

    async def renew(self, key: str) -> None:
        name = self._name(key) + CLAIM
        await self._attempt(
            "write to", self._writes, lambda: self._redis.set(name, self._token, ex=CLAIM_SECONDS, xx=True)
        )

    async def release(self, key: str) -> None:
        await self._attempt("write to", self._writes, lambda: self._released(self._name(key) + CLAIM))

    async def close(self) -> None:
        self._closed = True
        with suppress(TimeoutError, RedisError, OSError):
            async with asyncio.timeout(1.0):
                await self._redis.aclose(close_connection_pool=True)

    async def _read(self, key: str) -> bytes | None:
        # One byte more than any of ours has, and never the 500 MB that somebody else left there.
        name, end = self._name(key), OVERHEAD + self._max_value
        try:
            found = await self._redis.getrange(name, 0, end)
            if not found:
                if not await self._redis.exists(name):
                    return None
                found = await self._redis.getrange(name, 0, end)  # put there in between, or indeed empty
        except ResponseError as error:
            if not str(error).startswith("WRONGTYPE"):
                raise
            found = b""
        value = unseal(key, found, self._secret) if len(found) <= end else None
        if value is None:
            await self._discard(name)
        return value

    async def _claimed(self, name: str) -> bool:
        return bool(await self._redis.set(name, self._token, ex=CLAIM_SECONDS, nx=True))

    async def _released(self, name: str) -> None:
        # Not atomic, and need not be: a claim lost in between is work done twice.
        if await self._redis.getrange(name, 0, -1) == self._token:
            await self._redis.unlink(name)

    def _name(self, key: str) -> str:
        """With a secret nobody can tell from a name what was asked, not even by guessing."""
        return PREFIX + (key if self._secret is None else hmac.digest(self._secret, key.encode(), "sha256").hex())

    async def _discard(self, name: str) -> None:
        with suppress(ResponseError):  # read-only: it stays, and is corrupt again the next time
            if not await self._redis.unlink(name):
                return  # somebody else did, and counted it
        self._on_fault("corrupt")

    async def _write(self, key: str, value: bytes) -> None:
        await self._redis.set(self._name(key), seal(key, value, self._secret), ex=self._ttl)

    async def _attempt(self, doing: str, breaker: Breaker, call: Callable[[], Awaitable[_T]]) -> _T | None:
        with suppress(TimeoutError):
            async with asyncio.timeout(2 * self._timeout), self._seats:
                if not self._closed and (era := breaker.admit()) is not None:
                    return await self._guarded(doing, breaker, era, call)
        self._on_fault("unavailable")
        return None

    async def _guarded(self, doing: str, breaker: Breaker, era: int, call: Callable[[], Awaitable[_T]]) -> _T | None:
        try:
            async with asyncio.timeout(self._timeout):
                result = await call()
        except Exception as error:  # noqa: BLE001  whatever broke, a broken cache is a miss
            self._on_fault("unavailable")
            if breaker.failed(era):
                _log.warning("Cannot %s Redis at %s (%s): going on without.", doing, self._place, type(error).__name__)
            return None
        if breaker.succeeded(era):
            _log.warning("Can %s Redis at %s again.", doing, self._place)
        return result
