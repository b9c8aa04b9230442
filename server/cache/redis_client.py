"""A Redis client for a server that may be down or slow: every call returns within a time limit."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any, Protocol, Self, TypeVar, cast

from redis.asyncio import ConnectionPool, Redis
from redis.exceptions import RedisError

from cogitate.server.cache.circuit_breaker import CircuitBreaker
from cogitate.server.cache.redis_url import describe_url, parse_redis_url

PREFIX = "cogitate:1:"
"""Prefix of all keys and channels that this project uses in Redis."""
MAX_CONNECTIONS = 16
"""More connections would not be faster: their commands wait for the same event loop."""
DEFAULT_TIMEOUT_SECONDS = 0.1
CLOSE_SECONDS = 1.0

log = logging.getLogger("cogitate.cache")
T = TypeVar("T")


class Subscription(Protocol):
    """A connection that receives published messages; `async with` returns it to the pool."""

    async def __aenter__(self) -> Self: ...

    async def __aexit__(self, *_: object) -> None: ...

    async def subscribe(self, *channels: str) -> None: ...

    async def get_message(self, *, timeout: float | None) -> dict[str, Any] | None: ...  # noqa: ASYNC109 redis-py's

    async def ping(self) -> object: ...


class Pipeline(Protocol):
    """Commands that are sent together; `async with` returns its connection to the pool."""

    async def __aenter__(self) -> Self: ...

    async def __aexit__(self, *_: object) -> None: ...

    def set(self, name: str, value: bytes, *, ex: int, nx: bool) -> object: ...

    def incrby(self, name: str, amount: int) -> object: ...

    def pttl(self, name: str) -> object: ...

    def hincrby(self, name: str, key: str, amount: int) -> object: ...

    def hset(self, name: str, key: str, value: str) -> object: ...

    def expire(self, name: str, time: int) -> object: ...

    def hgetall(self, name: str) -> object: ...

    async def execute(self) -> list[Any]: ...


class RedisCommands(Protocol):
    """The commands that this server uses, which are all that an ACL must allow."""

    async def getrange(self, key: str, start: int, end: int) -> bytes: ...

    async def exists(self, *names: str) -> int: ...

    async def set(self, name: str, value: bytes, *, ex: int, nx: bool = False, xx: bool = False) -> object: ...

    async def unlink(self, *names: str) -> int: ...

    async def publish(self, channel: str, message: bytes) -> int: ...

    def pubsub(self) -> Subscription: ...

    def pipeline(self, *, transaction: bool) -> Pipeline: ...

    async def aclose(self, close_connection_pool: bool | None = None) -> None: ...


class RedisClient:
    """Runs Redis commands, at most `connections` at once, each with a limit of `timeout` seconds.

    Including the wait for a free connection, a call takes at most twice that. `on_fault` is called with "unavailable"
    for each failed call. Raises ValueError for an unusable URL.
    """

    def __init__(
        self,
        url: str,
        on_fault: Callable[[str], None],
        *,
        timeout: float = DEFAULT_TIMEOUT_SECONDS,
        connections: int = MAX_CONNECTIONS,
    ) -> None:
        self.redis = connect(url, connections)
        self._address = describe_url(url)
        self._on_fault, self._timeout = on_fault, timeout
        self._free_connections = asyncio.Semaphore(connections)
        self._closed = False

    async def attempt(self, action: str, breaker: CircuitBreaker, call: Callable[[], Awaitable[T]]) -> T | None:
        """Return the result of `call`, or None where it failed.

        `action`: "read from" or "write to", for the log.
        """
        with suppress(TimeoutError):
            async with asyncio.timeout(2 * self._timeout), self._free_connections:
                if not self._closed and (era := breaker.admit()) is not None:
                    return await self._run(action, breaker, era, call)
        self._on_fault("unavailable")
        return None

    async def close(self) -> None:
        self._closed = True
        await close_redis(self.redis)

    async def _run(self, action: str, breaker: CircuitBreaker, era: int, call: Callable[[], Awaitable[T]]) -> T | None:
        """Run a call that the breaker admitted. `era`: the breaker's state at that time (see `CircuitBreaker`)."""
        try:
            async with asyncio.timeout(self._timeout):
                result = await call()
        except Exception as error:  # noqa: BLE001 any failure of the cache is a miss
            self._on_fault("unavailable")
            if breaker.record_failure(era):
                log.warning("Cannot %s Redis at %s (%s): continuing without.", action, self._address, _name(error))
            return None
        if breaker.record_success(era):
            log.warning("Can %s Redis at %s again.", action, self._address)
        return result


def connect(url: str, connections: int) -> RedisCommands:
    """Return a client with at most `connections`, none of them open yet. Raises ValueError for an unusable URL."""
    kind, options = parse_redis_url(url)
    pool = ConnectionPool(connection_class=kind, max_connections=connections, **options)
    return cast(RedisCommands, Redis(connection_pool=pool))


async def close_redis(redis: RedisCommands) -> None:
    """Close the client's connections, and abandons those that do not close within CLOSE_SECONDS."""
    with suppress(TimeoutError, RedisError, OSError):
        async with asyncio.timeout(CLOSE_SECONDS):
            await redis.aclose(close_connection_pool=True)


def _name(error: Exception) -> str:
    return type(error).__name__
