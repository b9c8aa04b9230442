"""Who was answered with what another request had found, so that its trace can be told: of the search that found it."""

import time
from collections import OrderedDict
from dataclasses import dataclass, field

from cogitate.server.planning.plan import Plan
from cogitate.strategies import AnyStrategy

MOST = 4096
SECONDS = 600.0
Name = tuple[str, str]
"""A tenant's, and its request's."""


@dataclass(frozen=True, slots=True)
class Borrowed:
    number: str
    """The answer's, as its finder's plan has it."""
    created: int
    model: str
    strategy: AnyStrategy | None

    @classmethod
    def by(cls, plan: Plan, number: str) -> "Borrowed":
        return cls(number, plan.created, plan.model, plan.strategy)


@dataclass(slots=True)
class Borrowings:
    """Bounded in number and in time; of one name the last counts."""

    kept: "OrderedDict[Name, tuple[Borrowed, float]]" = field(default_factory=OrderedDict)

    def keep(self, name: Name, borrowed: Borrowed) -> None:
        self.kept[name] = borrowed, time.monotonic() + SECONDS
        self.kept.move_to_end(name)
        if len(self.kept) > MOST:
            self.kept.popitem(last=False)

    def find(self, name: Name) -> Borrowed | None:
        borrowed, until = self.kept.get(name, (None, 0.0))
        return borrowed if until >= time.monotonic() else None

    def drop(self, name: Name) -> None:
        self.kept.pop(name, None)
