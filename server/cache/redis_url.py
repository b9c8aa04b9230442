"""Parses Redis URLs strictly: a malformed one is rejected, and no message repeats its password."""

from contextlib import suppress
from typing import Any
from urllib.parse import SplitResult, urlsplit

from redis.asyncio.connection import Connection, parse_url
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

UNUSABLE_URL = (
    "the Redis URL cannot be used: expected redis://[[user]:password@]host[:port][/database], rediss://... "
    "or unix:///path, with special characters in user and password %-encoded"
)
DEFAULT_PORT = 6379

# redis-py's own timeouts are off: on Python 3.11 its socket_timeout goes through asyncio.wait_for, which can swallow
# the caller's cancellation. RESP 2: with 3, redis-py no longer makes sure that a connection it reuses is clean.
FIXED_OPTIONS: dict[str, Any] = {
    "socket_timeout": None,
    "socket_connect_timeout": None,
    "retry": Retry(NoBackoff(), 0),
    "retry_on_timeout": False,
    "health_check_interval": 0,
    "protocol": 2,
    "decode_responses": False,
}


def parse_redis_url(url: str) -> tuple[type[Connection], dict[str, Any]]:
    """Return the class of redis-py's connections to `url` and their options, without opening one.

    FIXED_OPTIONS override the options of the URL. Raises ValueError, with a one-line message, for an unusable URL.
    """
    with suppress(ValueError, TypeError, RedisError):
        if _is_plausible(urlsplit(url)):
            options: dict[str, Any] = {**parse_url(url), **FIXED_OPTIONS}
            options.pop("max_connections", None)
            kind = options.pop("connection_class", Connection)
            kind(**options)  # an unknown option is a TypeError here rather than in the first request
            return kind, options
    raise ValueError(UNUSABLE_URL)


def describe_url(url: str) -> str:
    """Return host and port, or the path of the socket, for the log."""
    parts = urlsplit(url)
    return parts.path if parts.scheme == "unix" else f"{parts.hostname}:{parts.port or DEFAULT_PORT}"


def parse_database(url: str) -> int:
    """Return the number of the database. Published messages reach the subscribers of all databases."""
    return int(parse_url(url).get("db", 0))


def _is_plausible(parts: SplitResult) -> bool:
    """Whether host and database are well formed: redis-py replaces malformed ones with localhost and 0."""
    if parts.scheme == "unix":
        return bool(parts.path)
    database = parts.path.removeprefix("/")
    return bool(parts.hostname) and (not database or database.isdecimal())
