"""A cache in a real Redis to test with."""

import time
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import psutil

from cogitate.server.cache import RedisCache

if TYPE_CHECKING:
    from tests.fakes.redis_server import RedisServer

TIMEOUT_SECONDS = 0.1
MAX_CALL_SECONDS = 1.0
"""Twice the timeout, and the pauses of a busy test machine, which were up to half a second. Without a timeout, a call
to a Redis that hangs would never return."""
PATIENT_SECONDS = 5.0
"""A timeout for tests in which only the answers matter."""


@asynccontextmanager
async def open_redis_cache(
    url: str, *, limit: float = PATIENT_SECONDS, secret: bytes | None = None
) -> AsyncIterator[tuple[RedisCache, list[str]]]:
    """Yield a cache, and the list of the faults that it reports. `limit`: its timeout in seconds."""
    faults: list[str] = []
    cache = RedisCache(url, ttl=60, on_fault=faults.append, secret=secret, timeout=limit)
    try:
        yield cache, faults
    finally:
        await cache.close()


def count_sockets(server: "RedisServer") -> int:
    """Return the number of this process's connections to that server."""
    return sum(bool(c.raddr) and c.raddr.port == server.port for c in psutil.Process().net_connections("tcp"))


async def measure_seconds(call: Awaitable[object]) -> float:
    """Return how long a call takes."""
    before = time.perf_counter()
    await call
    return time.perf_counter() - before
