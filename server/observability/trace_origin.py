"""Identifies the search that produced the answer to a request."""

from dataclasses import dataclass
from typing import Any

import orjson

from cogitate.server.planning.plan import Plan


@dataclass(frozen=True, slots=True)
class Origin:
    """The search that produced an answer, and the request's own data, for when the trace no longer exists."""

    number: str
    """The `Plan.number` of the request that started the search."""
    created: int
    """Unix time of the request, in seconds."""
    model: str
    strategy: dict[str, Any] | None
    """The strategy with all its options, as JSON."""
    is_own: bool = True
    """Whether the request started that search; False where it received another request's answer."""

    @classmethod
    def of(cls, plan: Plan, number: str) -> "Origin":
        strategy = plan.strategy.model_dump(mode="json") if plan.strategy else None
        return cls(number, plan.created, plan.model, strategy, is_own=number == plan.number)

    @classmethod
    def parse(cls, value: bytes) -> "Origin":
        return cls(*orjson.loads(value))

    def to_bytes(self) -> bytes:
        return orjson.dumps([self.number, self.created, self.model, self.strategy, self.is_own])
