"""The cache in Redis, shared by all servers that point at it. Redis may be down, slow, read-only, full or lying."""

import hmac
import os
from collections.abc import Callable
from contextlib import suppress

from redis.exceptions import ResponseError

from cogitate.server.cache.circuit_breaker import Breaker
from cogitate.server.cache.redis_client import PREFIX, Link
from cogitate.server.cache.signing import OVERHEAD, seal, unseal

CLAIM = ":lock"
CLAIM_SECONDS = 6
"""How long a claim outlives a process that died."""


class RedisCache:
    """`ttl` and `timeout` in seconds, `max_value` in bytes.

    `timeout`, `on_fault` and `secret` as in `Link` and `open_cache`. ValueError for an impossible URL, a `ttl` below 1,
    an empty secret.
    """

    shared = True

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
        self._link = Link(url, on_fault, timeout=timeout)
        self._redis = self._link.redis
        self._ttl, self._max_value = ttl, max_value
        self._on_fault, self._secret = on_fault, secret
        self._reads, self._writes = Breaker(), Breaker()
        self._token = os.urandom(16)
        self._held = set[str]()
        """Claims of this process."""

    async def get(self, key: str) -> bytes | None:
        return await self._link.attempt("read from", self._reads, lambda: self._read(key))

    async def put(self, key: str, value: bytes, *, seconds: int | None = None) -> bool:
        if len(value) > self._max_value:
            return False
        return bool(await self._link.attempt("write to", self._writes, lambda: self._write(key, value, seconds)))

    async def claim(self, key: str) -> bool:
        name = self._name(key) + CLAIM
        held = name in self._held
        self._held.add(name)
        taken: object = False
        try:
            taken = await self._link.attempt("write to", self._writes, lambda: self._claimed(name, held))
        finally:
            if taken is False and not held:
                self._held.discard(name)
        return taken is not False

    async def renew(self, key: str) -> None:
        name = self._name(key) + CLAIM
        await self._link.attempt(
            "write to", self._writes, lambda: self._redis.set(name, self._token, ex=CLAIM_SECONDS, xx=True)
        )

    async def release(self, key: str) -> None:
        name = self._name(key) + CLAIM
        try:
            await self._link.attempt("write to", self._writes, lambda: self._released(name))
        finally:
            self._held.discard(name)

    async def close(self) -> None:
        await self._link.close()

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

    async def _claimed(self, name: str, held: bool) -> bool:
        if await self._redis.set(name, self._token, ex=CLAIM_SECONDS, nx=True):
            return True
        # What a Redis that hung did late, of a call that was given up long ago: a claim of ours that nobody here holds.
        return not held and await self._redis.getrange(name, 0, -1) == self._token

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

    async def _write(self, key: str, value: bytes, seconds: int | None) -> bool:
        return bool(await self._redis.set(self._name(key), seal(key, value, self._secret), ex=seconds or self._ttl))
