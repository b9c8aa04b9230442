"""A Redis URL, read strictly: what cannot be meant so is refused at the start, and the password never repeated."""

from contextlib import suppress
from typing import Any
from urllib.parse import urlsplit

from redis.asyncio.connection import ConnectionPool, parse_url
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

EXPECTED = "redis://[[user]:password@]host[:port][/database], rediss://... or unix:///path"

# No timeouts of redis-py's own: on Python 3.11 its socket_timeout goes through asyncio.wait_for, which can swallow the
# cancellation of whoever waits. RESP 2: with 3 redis-py no longer checks that a connection it reuses is clean.
OURS = {
    "socket_timeout": None,
    "socket_connect_timeout": None,
    "retry": Retry(NoBackoff(), 0),
    "retry_on_timeout": False,
    "health_check_interval": 0,
    "protocol": 2,
    "decode_responses": False,
}


def connection_options(url: str) -> dict[str, Any]:
    """The arguments of a ConnectionPool. ValueError, in one line and without the URL, when it cannot be used."""
    with suppress(ValueError, TypeError, RedisError):
        parts = urlsplit(url)
        database = parts.path.removeprefix("/")
        if parts.path if parts.scheme == "unix" else parts.hostname and (not database or database.isdecimal()):
            options = {**parse_url(url), **OURS}
            ConnectionPool(
                **options
            ).make_connection()  # an option nobody knows is a TypeError here, not at the first get
            return options
    raise ValueError(f"the Redis URL cannot be used (special characters in it need %-encoding); expected {EXPECTED}")


def place(options: dict[str, Any]) -> str:
    """Where that is, for the log."""
    return str(options.get("path") or f"{options.get('host', 'localhost')}:{options.get('port', 6379)}")
