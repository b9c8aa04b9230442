"""Verifiers applied one after the other, as in `unit_tests+judge`: each judges what passed the one before.

A solution's score is the product of the verifiers' scores. Once one gives 0, or its verdict is lost, no later verifier
is called for that solution. Every verifier but the last counts by its lowest step; the steps of the last one are what
the aggregation sees.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from cogitate.strategies.core.aggregation import reduce_steps
from cogitate.strategies.core.ports import Ability, Ask, SampleFailed, Verdict, Verifier
from cogitate.strategies.core.prompt import Prompt
from cogitate.strategies.core.types import Aggregation, Completion

CHAIN_OPERATOR = "+"
"""Joins verifier names."""


@dataclass(frozen=True, slots=True)
class Chain:
    """Verifiers in the order in which they are applied."""

    links: tuple[Verifier, ...]

    @property
    def logprobs(self) -> int | None:
        """The most alternatives per token that any link needs."""
        return max((link.logprobs for link in self.links if link.logprobs is not None), default=None)

    @property
    def needs(self) -> frozenset[Ability]:
        return frozenset().union(*(link.needs for link in self.links))

    @property
    def compares(self) -> bool:
        """Whether any link compares solutions with each other."""
        return any(link.compares for link in self.links)

    @property
    def is_pure(self) -> bool:
        """Whether every link is."""
        return all(link.is_pure for link in self.links)

    @property
    def aggregation(self) -> Aggregation:
        """The last link's."""
        return self.links[-1].aggregation

    async def judge(self, question: Prompt, solutions: Sequence[Completion], ask: Ask) -> list[Verdict]:
        verdicts = await self.links[0].judge(question, solutions, ask)
        for link in self.links[1:]:
            lowest = [reduce_steps(verdict.steps, "min") for verdict in verdicts]
            passed = {index: gate for index, gate in enumerate(lowest) if gate}
            later = await judge_or_lose(link, question, [solutions[index] for index in passed], ask)
            defaults = [() if gate is None else (0.0,) for gate in lowest]
            verdicts = [replace(verdict, steps=steps) for steps, verdict in zip(defaults, verdicts, strict=True)]
            for (index, gate), verdict in zip(passed.items(), later, strict=True):
                steps, before = tuple(gate * step for step in verdict.steps), verdicts[index]
                warnings = before.warnings + verdict.warnings
                verdicts[index] = Verdict(steps, before.tokens + verdict.tokens, warnings)
        return verdicts


async def judge_or_lose(link: Verifier, question: Prompt, solutions: Sequence[Completion], ask: Ask) -> list[Verdict]:
    """Return the link's verdicts; empty verdicts where all were lost, so that the results of earlier links remain."""
    try:
        return await link.judge(question, solutions, ask) if solutions else []
    except SampleFailed:
        return [Verdict(()) for _ in solutions]


def build_chains(names: Sequence[str], available: Mapping[str, Verifier]) -> dict[str, Verifier]:
    """Return the available verifiers and a Chain for each name of the form a+b whose parts are all available."""
    parts_of = {name: name.split(CHAIN_OPERATOR) for name in names if CHAIN_OPERATOR in name}
    chains = {
        name: Chain(tuple(available[p] for p in parts))
        for name, parts in parts_of.items()
        if set(parts) <= available.keys()
    }
    return {**available, **chains}
