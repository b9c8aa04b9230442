"""Equivalence classes of a request's answers, so that equal answers count as one in whatever order they come.

Two answers are equal where their types' rules say so, or, as expressions, where the prover shows it. What *may* be one
answer, as `3` and `3 hours`, joins only where all of a group may be one: beside `3 hours` and `3 minutes` the three
stay apart, or two different answers would be one class.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field

from cogitate.strategies.answers import compare_keys
from cogitate.strategies.core.ports import Prover

MAX_PROOFS = 16
"""Of one new answer. Only answers of the same value are ever to be proven."""


@dataclass(slots=True)
class AnswerClasses:
    """The classes of one request. A class has the key of its first answer."""

    _members: list[str] = field(default_factory=list)
    _equal: set[frozenset[str]] = field(default_factory=set)
    _perhaps: set[frozenset[str]] = field(default_factory=set)
    _class_of: dict[str, str] | None = None
    version: int = 0
    """A number that grows whenever they may have changed."""

    async def add(self, key: str, prover: Prover) -> None:
        """Add an answer by its canonical key."""
        if key in self._members:
            return
        earlier = sorted(self._members)
        self._members.append(key)
        self._invalidate()
        proofs = _Proofs(prover)
        for other in earlier:
            pair = frozenset((key, other))
            if await proofs.show(compare_keys(key, other)):
                self._equal.add(pair)
            elif await proofs.show(compare_keys(key, other, is_loose=True)):
                self._perhaps.add(pair)
        self._invalidate()

    def _invalidate(self) -> None:
        self._class_of = None
        self.version += 1

    def key_of(self, key: str) -> str:
        """The key of the class that an answer is in now; an answer that was never added is alone."""
        if self._class_of is None:
            self._class_of = _build_classes(self._members, self._equal, self._perhaps)
        return self._class_of.get(key, key)


@dataclass(slots=True)
class _Proofs:
    prover: Prover
    left: int = MAX_PROOFS

    async def show(self, pairs: list[tuple[str, str]] | None) -> bool:
        """Whether all that remains to be proven is proven."""
        if pairs is None or len(pairs) > self.left:
            return False
        self.left -= len(pairs)
        for a, b in pairs:
            if not await self.prover.equal(a, b):
                return False
        return True


def _build_classes(
    members: list[str], equal: Iterable[frozenset[str]], perhaps: Iterable[frozenset[str]]
) -> dict[str, str]:
    """The class of each member, which depends on the pairs alone and not on the order of the members."""
    strict = _connect(members, equal)
    edges = {frozenset(strict[member] for member in pair) for pair in perhaps}
    edges = {edge for edge in edges if len(edge) == 2}
    groups: dict[str, set[str]] = {}
    for name, group in _connect(sorted(set(strict.values())), edges).items():
        groups.setdefault(group, set()).add(name)
    joined: dict[str, str] = {}
    for names in groups.values():
        links = sum(edge <= names for edge in edges)
        is_complete = links == len(names) * (len(names) - 1) // 2
        first = min(names, key=members.index)
        joined |= {name: first if is_complete else name for name in names}
    return {member: joined[strict[member]] for member in members}


def _connect(members: list[str], pairs: Iterable[frozenset[str]]) -> dict[str, str]:
    """The connected components, each by its first member."""
    name = {member: member for member in members}
    place = {member: at for at, member in enumerate(members)}
    for pair in pairs:
        ends = [name[member] for member in pair]
        first = min(ends, key=place.__getitem__)
        for member, component in name.items():
            if component in ends:
                name[member] = first
    return name


async def are_equal(a: str, b: str, prover: Prover) -> bool:
    """Whether two canonical forms, alone in a vote, are one class: the equality by which answers are graded."""
    classes = AnswerClasses()
    await classes.add(a, prover)
    await classes.add(b, prover)
    return classes.key_of(a) == classes.key_of(b)
