"""Which search found the answer that a request was given."""

from dataclasses import dataclass
from typing import Any

import orjson

from cogitate.server.planning.plan import Plan


@dataclass(frozen=True, slots=True)
class Origin:
    """The search by its answer's number, and what is known of the request itself should the trace be gone."""

    number: str
    created: int
    """Unix time."""
    model: str
    strategy: dict[str, Any] | None
    """The strategy with all its options, as JSON."""
    is_own: bool = True
    """The request began that search; False where it was given another request's answer."""

    @classmethod
    def of(cls, plan: Plan, number: str) -> "Origin":
        strategy = plan.strategy.model_dump(mode="json") if plan.strategy else None
        return cls(number, plan.created, plan.model, strategy, is_own=number == plan.number)

    @classmethod
    def parse(cls, value: bytes) -> "Origin":
        return cls(*orjson.loads(value))

    def to_bytes(self) -> bytes:
        return orjson.dumps([self.number, self.created, self.model, self.strategy, self.is_own])
