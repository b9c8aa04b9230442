"""Verifiers one after the other: a check first, then a costlier one for what passed it. `unit_tests+judge`.

A solution's score is the product: 0 as soon as one gives 0, and then no later one is asked of it, nor where a verdict
is lost. Each but the last counts by its lowest step, and the last one's steps are what the aggregation sees.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from cogitate.strategies.core.ports import Ability, Ask, SampleFailed, Verdict, Verifier
from cogitate.strategies.core.types import Aggregation, Completion, Prompt
from cogitate.strategies.voting.stop_rules import reduce_steps

AND = "+"


@dataclass(frozen=True, slots=True)
class Chain:
    links: tuple[Verifier, ...]

    @property
    def logprobs(self) -> int | None:
        return max((link.logprobs for link in self.links if link.logprobs is not None), default=None)

    @property
    def needs(self) -> frozenset[Ability]:
        return frozenset().union(*(link.needs for link in self.links))

    @property
    def compares(self) -> bool:
        return any(link.compares for link in self.links)

    @property
    def aggregation(self) -> Aggregation:
        return self.links[-1].aggregation

    async def judge(self, question: Prompt, solutions: Sequence[Completion], ask: Ask) -> list[Verdict]:
        verdicts = await self.links[0].judge(question, solutions, ask)
        for link in self.links[1:]:
            gates = [reduce_steps(verdict.steps, "min") for verdict in verdicts]
            passed = {at: gate for at, gate in enumerate(gates) if gate}
            later = await judged(link, question, [solutions[at] for at in passed], ask)
            lost = [() if gate is None else (0.0,) for gate in gates]
            verdicts = [Verdict(steps, verdict.tokens) for steps, verdict in zip(lost, verdicts, strict=True)]
            for (at, gate), verdict in zip(passed.items(), later, strict=True):
                steps = tuple(gate * step for step in verdict.steps)
                verdicts[at] = Verdict(steps, verdicts[at].tokens + verdict.tokens)
        return verdicts


async def judged(link: Verifier, question: Prompt, solutions: Sequence[Completion], ask: Ask) -> list[Verdict]:
    """What was checked before stands also where all of these verdicts are lost."""
    try:
        return await link.judge(question, solutions, ask) if solutions else []
    except SampleFailed:
        return [Verdict(()) for _ in solutions]


def chained(names: Sequence[str], known: Mapping[str, Verifier]) -> dict[str, Verifier]:
    """The known ones, and what `names` asks for in the way of a+b, where all its parts are known."""
    asked = {name: name.split(AND) for name in names if AND in name}
    made = {name: Chain(tuple(known[p] for p in parts)) for name, parts in asked.items() if set(parts) <= known.keys()}
    return {**known, **made}
