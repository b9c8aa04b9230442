"""Tree search over whole answers: wider or deeper, by what the scores so far promise. Inoue et al., 2025,
arXiv:2503.04412, with node aggregation (AB-MCTS-A) and Beta posteriors.

Every node can always have one more child: a draft at the root, a revision of its answer elsewhere. A draw for that
(GEN) stands against one for going on below the children it has (CONT), and there the child with the best draw is gone
to. A score counts for GEN where the answer was made, and for CONT and the child at each node on the way there.

Deviations: one answer is made at a time; one that scores 1 ends the search, for none can be better; a lost answer, or
one whose verdict was lost, teaches nothing.
"""

import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from cogitate.strategies.core.ports import SampleFailed
from cogitate.strategies.core.run import Run
from cogitate.strategies.core.types import Outcome, Prompt
from cogitate.strategies.search.population import aggregated
from cogitate.strategies.voting.ballot import ranking

Scored = Callable[[Outcome, Run], Awaitable[Outcome]]
"""An answer with the verifier's score; without one where the verdict was lost."""
PRIOR = 0.5
"""Of both parameters: Jeffreys'."""


@dataclass(slots=True)
class Belief:
    """What scores to expect: a Beta posterior."""

    high: float = PRIOR
    low: float = PRIOR

    def learn(self, score: float) -> None:
        self.high, self.low = self.high + score, self.low + 1 - score

    def draw(self, chance: random.Random) -> float:
        return chance.betavariate(self.high, self.low)


@dataclass(slots=True, eq=False)
class Node:
    """An answer; none at the root."""

    outcome: Outcome | None = None
    children: "list[Node]" = field(default_factory=list)
    wider: Belief = field(default_factory=Belief)
    """GEN: one more child."""
    deeper: Belief = field(default_factory=Belief)
    """CONT: whatever is made below the children."""
    below: Belief = field(default_factory=Belief)
    """What is made below this node, for its parent to choose by."""


async def searched(prompt: Prompt, answers: int, scored: Scored, run: Run) -> Outcome:
    """The best of at most so many answers by score, the others behind it. Raises the last loss where all were lost."""
    chance = random.Random(run.sampling.seed)  # noqa: S311 where the tree grows is no secret
    root, found, loss = Node(), list[Outcome](), SampleFailed("no answer was made")
    for _ in range(answers):
        way = chosen(root, chance)
        parent = way[-1].outcome
        try:
            made = await run.generate(aggregated(prompt, [parent]) if parent else prompt)
        except SampleFailed as failure:
            loss = failure
            continue
        outcome = Outcome(made, await run.read(made))
        if not found:
            run.propose(outcome)
        outcome = await scored(outcome, run)
        grown(way, outcome)
        found.append(outcome)
        run.propose(ranking(found))
        if outcome.score == 1:
            break
    if not found:
        raise loss
    return ranking(found)


def chosen(root: Node, chance: random.Random) -> list[Node]:
    """The way from the root to the node that gets one more child."""
    way = [root]
    while (node := way[-1]).children and node.deeper.draw(chance) > node.wider.draw(chance):
        way.append(max(node.children, key=lambda child: child.below.draw(chance)))
    return way


def grown(way: list[Node], outcome: Outcome) -> None:
    """One more child at the end of the way, and its score learnt all along it."""
    way[-1].children.append(Node(outcome))
    if outcome.score is None:
        return
    way[-1].wider.learn(outcome.score)
    for node in way[1:]:
        node.below.learn(outcome.score)
    for node in way[:-1]:
        node.deeper.learn(outcome.score)
