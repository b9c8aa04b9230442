"""Limits how often something may happen, in this process alone: a token bucket by name."""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from cachetools import LRUCache

from cogitate.server.errors import Limit, Overloaded

Headers = tuple[tuple[bytes, bytes], ...]
"""Response headers as ASGI wants them."""
MAX_BUCKETS = 10_000
"""Beyond this number the least recently used bucket is dropped, which refills it."""


@dataclass(slots=True)
class Bucket:
    tokens: float
    updated: float
    """Time of the last refill, by `clock`."""


@dataclass(slots=True)
class RateLimiter:
    """Token buckets by name. A new bucket is full."""

    clock: Callable[[], float] = time.monotonic
    buckets: "LRUCache[str, Bucket]" = field(default_factory=lambda: LRUCache(MAX_BUCKETS))

    def acquire(self, name: str, per_minute: int, limit: Limit = "key_requests") -> Headers:
        """Take one token from the bucket `name`, which holds and regains `per_minute` tokens.

        Returns OpenAI's `x-ratelimit-*-requests` headers. Raises Overloaded, with the seconds until the next token as
        Retry-After, when the bucket is empty.
        """
        bucket = self._refill(name, per_minute)
        if bucket.tokens < 1:
            wait = math.ceil((1 - bucket.tokens) * 60 / per_minute)
            raise Overloaded(
                f"More than {per_minute} requests a minute; try again in {wait} s.", retry_after=wait, limit=limit
            )
        bucket.tokens -= 1
        reset = (per_minute - bucket.tokens) * 60 / per_minute
        values = {"limit": str(per_minute), "remaining": str(int(bucket.tokens)), "reset": f"{reset:.1f}s"}
        return tuple((f"x-ratelimit-{header}-requests".encode(), value.encode()) for header, value in values.items())

    def _refill(self, name: str, per_minute: int) -> Bucket:
        now = self.clock()
        bucket = self.buckets.get(name)
        if bucket is None:
            bucket = self.buckets[name] = Bucket(per_minute, now)
        bucket.tokens = min(per_minute, bucket.tokens + (now - bucket.updated) * per_minute / 60)
        bucket.updated = now
        return bucket
