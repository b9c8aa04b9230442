"""The cache in Redis, shared by all servers with the same URL.

Redis may be down, slow, read-only or full, or hold values that this server did not write: each is a miss.
"""

import hmac
import os
from collections.abc import Callable
from contextlib import suppress

from redis.exceptions import ResponseError

from cogitate.server.cache.base import CLAIM_SECONDS
from cogitate.server.cache.circuit_breaker import CircuitBreaker
from cogitate.server.cache.redis_client import DEFAULT_TIMEOUT_SECONDS, PREFIX, RedisClient
from cogitate.server.cache.signing import OVERHEAD_BYTES, seal, unseal

CLAIM_SUFFIX = ":lock"
MAX_VALUE_BYTES = 4 << 20


class RedisCache:
    """Implements `Cache`; values live for `ttl` seconds by default and have at most `max_value` bytes.

    `timeout` as in `RedisClient`, `on_fault` and `secret` as in `open_cache`. Raises ValueError for an unusable URL, a
    `ttl` below 1 or an empty secret.
    """

    shared = True

    def __init__(
        self,
        url: str,
        *,
        ttl: int,
        on_fault: Callable[[str], None],
        secret: bytes | None = None,
        timeout: float = DEFAULT_TIMEOUT_SECONDS,
        max_value: int = MAX_VALUE_BYTES,
    ) -> None:
        if ttl < 1:
            raise ValueError("the cache's time to live must be at least one second")
        if secret == b"":
            raise ValueError("the cache's secret is empty")
        self._client = RedisClient(url, on_fault, timeout=timeout)
        self._redis = self._client.redis
        self._ttl, self._max_value = ttl, max_value
        self._on_fault, self._secret = on_fault, secret
        self._reads, self._writes = CircuitBreaker(), CircuitBreaker()
        self._token = os.urandom(16)
        self._claims = set[str]()
        """The claims of this process, by their names in Redis."""

    async def get(self, key: str) -> bytes | None:
        return await self._client.attempt("read from", self._reads, lambda: self._read(key))

    async def put(self, key: str, value: bytes, *, seconds: int | None = None) -> bool:
        if len(value) > self._max_value:
            return False
        return bool(await self._client.attempt("write to", self._writes, lambda: self._write(key, value, seconds)))

    async def claim(self, key: str) -> bool:
        name = self._name(key) + CLAIM_SUFFIX
        is_ours = name in self._claims
        self._claims.add(name)
        is_taken: object = False
        try:
            is_taken = await self._client.attempt("write to", self._writes, lambda: self._take_claim(name, is_ours))
        finally:
            if is_taken is False and not is_ours:
                self._claims.discard(name)
        return is_taken is not False

    async def renew(self, key: str) -> None:
        name = self._name(key) + CLAIM_SUFFIX
        await self._client.attempt(
            "write to", self._writes, lambda: self._redis.set(name, self._token, ex=CLAIM_SECONDS, xx=True)
        )

    async def release(self, key: str) -> None:
        name = self._name(key) + CLAIM_SUFFIX
        try:
            await self._client.attempt("write to", self._writes, lambda: self._drop_claim(name))
        finally:
            self._claims.discard(name)

    async def close(self) -> None:
        await self._client.close()

    async def _read(self, key: str) -> bytes | None:
        # One byte more than our largest value: a foreign value of 500 MB is never transferred.
        name, end = self._name(key), OVERHEAD_BYTES + self._max_value
        try:
            found = await self._redis.getrange(name, 0, end)
            if not found:
                if not await self._redis.exists(name):
                    return None
                found = await self._redis.getrange(name, 0, end)  # written in between, or indeed empty
        except ResponseError as error:
            if not str(error).startswith("WRONGTYPE"):
                raise
            found = b""
        value = unseal(key, found, self._secret) if len(found) <= end else None
        if value is None:
            await self._discard(name)
        return value

    async def _take_claim(self, name: str, is_ours: bool) -> bool:
        if await self._redis.set(name, self._token, ex=CLAIM_SECONDS, nx=True):
            return True
        # A Redis that hung may execute a claim long after the call timed out. Such a claim has our token, and nothing
        # in this process uses it.
        return not is_ours and await self._redis.getrange(name, 0, -1) == self._token

    async def _drop_claim(self, name: str) -> None:
        # Not atomic, and need not be: where the claim changes in between, an answer is computed twice.
        if await self._redis.getrange(name, 0, -1) == self._token:
            await self._redis.unlink(name)

    def _name(self, key: str) -> str:
        """The name in Redis. With a secret it cannot be matched with a guessed request.

        A kind that the key begins with, as in `trace:...`, stays legible.
        """
        if self._secret is None:
            return PREFIX + key
        kind, colon, _ = key.rpartition(":")
        return PREFIX + kind + colon + hmac.digest(self._secret, key.encode(), "sha256").hex()

    async def _discard(self, name: str) -> None:
        with suppress(ResponseError):  # a read-only Redis: the value stays, and is corrupt again the next time
            if not await self._redis.unlink(name):
                return  # another process deleted and counted it
        self._on_fault("corrupt")

    async def _write(self, key: str, value: bytes, seconds: int | None) -> bool:
        return bool(await self._redis.set(self._name(key), seal(key, value, self._secret), ex=seconds or self._ttl))
