"""So many a minute: token buckets by name, each full at first. In this process alone."""

import math
import time
from collections import OrderedDict
from dataclasses import dataclass, field

from cogitate.server.errors import Overloaded

Headers = tuple[tuple[bytes, bytes], ...]
MOST = 10_000
"""Names that are remembered; the one not seen for longest is forgotten first, which fills its bucket again."""


@dataclass(slots=True)
class Bucket:
    left: float
    at: float


@dataclass(slots=True)
class Rates:
    buckets: "OrderedDict[str, Bucket]" = field(default_factory=OrderedDict)

    def spend(self, name: str, per_minute: int) -> Headers:
        """One of `per_minute`; what is left, as headers. Raises Overloaded, with the seconds until there is one."""
        now = time.monotonic()
        bucket = self._filled(name, per_minute, now)
        if bucket.left < 1:
            wait = math.ceil((1 - bucket.left) * 60 / per_minute)
            raise Overloaded(f"More than {per_minute} requests a minute; try again in {wait} s.", retry_after=wait)
        bucket.left -= 1
        full = (per_minute - bucket.left) * 60 / per_minute
        said = {"limit": str(per_minute), "remaining": str(int(bucket.left)), "reset": f"{full:.1f}s"}
        return tuple((f"x-ratelimit-{name}-requests".encode(), value.encode()) for name, value in said.items())

    def _filled(self, name: str, per_minute: int, now: float) -> Bucket:
        bucket = self.buckets.setdefault(name, Bucket(per_minute, now))
        bucket.left = min(per_minute, bucket.left + (now - bucket.at) * per_minute / 60)
        bucket.at = now
        self.buckets.move_to_end(name)
        if len(self.buckets) > MOST:
            self.buckets.popitem(last=False)
        return bucket
