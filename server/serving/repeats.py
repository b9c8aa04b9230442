"""Idempotency keys: the same request sent twice joins the one that runs, or gets the answer it gave."""

import hashlib
import time
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Any

from cogitate.server.errors import KeyReused
from cogitate.server.planning.plan import Plan
from cogitate.server.protocol.chat import AnyRequest
from cogitate.server.protocol.responses import ResponsesRequest
from cogitate.server.serving.jobs import Job

SECONDS = 600
"""How long a finished answer may be asked for again."""
MOST = 256
REUSED = "This Idempotency-Key was used with another request body."


@dataclass(slots=True)
class Kept:
    plan: Plan
    job: Job[Any]
    fingerprint: bytes
    until: float


@dataclass(slots=True)
class Repeats:
    """Bounded in number and in time. A failure is forgotten: the next try is a new one."""

    kept: "OrderedDict[tuple[str, str], Kept]" = field(default_factory=OrderedDict)

    def find(self, plan: Plan, key: str) -> Kept | None:
        """What this key stands for. Raises KeyReused when it was sent with another body."""
        name = (plan.caller.tenant, key)
        kept = self.kept.get(name)
        if kept is None:
            return None
        if kept.until < time.monotonic() or kept.job.failure or kept.job.cancelled:
            del self.kept[name]
            return None
        if kept.fingerprint != fingerprint(plan.request):
            raise KeyReused(REUSED)
        return kept

    def keep(self, plan: Plan, key: str, job: Job[Any]) -> None:
        kept = Kept(plan, job, fingerprint(plan.request), time.monotonic() + SECONDS)
        self.kept[plan.caller.tenant, key] = kept
        while len(self.kept) > MOST:
            self.kept.popitem(last=False)


def fingerprint(request: AnyRequest | ResponsesRequest) -> bytes:
    return hashlib.sha256(type(request).__name__.encode() + request.model_dump_json().encode()).digest()
