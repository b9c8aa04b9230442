"""A cache in Redis to test with."""

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
"""Seconds: twice the timeout, and what a busy test machine adds (pauses of half a second were seen). A Redis that hangs
would have everybody wait without end."""
PATIENT_SECONDS = 5.0
"""A timeout for the tests where only the answers matter."""


@asynccontextmanager
async def open_redis_cache(
    url: str, *, limit: float = PATIENT_SECONDS, secret: bytes | None = None
) -> AsyncIterator[tuple[RedisCache, list[str]]]:
    """A cache, and the faults it reports."""
    faults: list[str] = []
    cache = RedisCache(url, ttl=60, on_fault=faults.append, secret=secret, timeout=limit)
    try:
        yield cache, faults
    finally:
        await cache.close()


def count_sockets(server: "RedisServer") -> int:
    """How many sockets this process holds to that server."""
    return sum(bool(c.raddr) and c.raddr.port == server.port for c in psutil.Process().net_connections("tcp"))


async def measure_seconds(call: Awaitable[object]) -> float:
    before = time.perf_counter()
    await call
    return time.perf_counter() - before
