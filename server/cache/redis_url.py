"""The way to Redis: a URL read strictly, whose password is never repeated, and connections that leave time to us."""

import asyncio
from contextlib import suppress
from typing import Any, Protocol, Self, cast
from urllib.parse import SplitResult, urlsplit

from redis.asyncio import ConnectionPool, Redis
from redis.asyncio.connection import Connection, parse_url
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

REFUSAL = (
    "the Redis URL cannot be used: expected redis://[[user]:password@]host[:port][/database], rediss://... "
    "or unix:///path, with special characters in user and password %-encoded"
)

# No timeouts of redis-py's own: on Python 3.11 its socket_timeout goes through asyncio.wait_for, which can swallow the
# cancellation of whoever waits. RESP 2: with 3, redis-py no longer makes sure that a connection it reuses is clean.
OURS = {
    "socket_timeout": None,
    "socket_connect_timeout": None,
    "retry": Retry(NoBackoff(), 0),
    "retry_on_timeout": False,
    "health_check_interval": 0,
    "protocol": 2,
    "decode_responses": False,
}


class Subscription(Protocol):
    """A connection that hears what is published. `async with`: it is given back."""

    async def __aenter__(self) -> Self: ...

    async def __aexit__(self, *_: object) -> None: ...

    async def subscribe(self, *channels: str) -> None: ...

    async def get_message(self, *, timeout: float | None) -> dict[str, Any] | None: ...  # noqa: ASYNC109 redis-py's

    async def ping(self) -> object: ...


class Commands(Protocol):
    """All that is asked of Redis, which is all that an ACL must allow."""

    async def getrange(self, key: str, start: int, end: int) -> bytes: ...

    async def exists(self, *names: str) -> int: ...

    async def set(self, name: str, value: bytes, *, ex: int, nx: bool = False, xx: bool = False) -> object: ...

    async def unlink(self, *names: str) -> int: ...

    async def publish(self, channel: str, message: bytes) -> int: ...

    def pubsub(self) -> "Subscription": ...

    async def aclose(self, close_connection_pool: bool | None = None) -> None: ...


def connect(url: str, connections: int) -> Commands:
    """A client of at most so many connections, none opened yet. ValueError, in one line, for a URL we cannot use."""
    with suppress(ValueError, TypeError, RedisError):
        if _plausible(urlsplit(url)):
            options: dict[str, Any] = {**parse_url(url), **OURS}
            options.pop("max_connections", None)
            kind = options.pop("connection_class", Connection)
            kind(**options)  # an option that nobody knows is a TypeError here, not with the first request
            pool = ConnectionPool(connection_class=kind, max_connections=connections, **options)
            return cast(Commands, Redis(connection_pool=pool))
    raise ValueError(REFUSAL)


async def let_go(redis: Commands) -> None:
    """Closes its connections, or leaves them after a second."""
    with suppress(TimeoutError, RedisError, OSError):
        async with asyncio.timeout(1.0):
            await redis.aclose(close_connection_pool=True)


def place(url: str) -> str:
    """Where that is, for the log."""
    parts = urlsplit(url)
    return parts.path if parts.scheme == "unix" else f"{parts.hostname}:{parts.port or 6379}"


def database(url: str) -> int:
    """Which of its databases. What is published is heard in all of them."""
    return int(parse_url(url).get("db", 0))


def _plausible(parts: SplitResult) -> bool:
    """redis-py takes what it does not understand for localhost, or for database 0."""
    if parts.scheme == "unix":
        return bool(parts.path)
    database = parts.path.removeprefix("/")
    return bool(parts.hostname) and (not database or database.isdecimal())
