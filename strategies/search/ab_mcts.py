"""AB-MCTS: tree search over complete answers that chooses between a new answer and a refinement of an old one.

Inoue et al., 2025, arXiv:2503.04412, with node aggregation (AB-MCTS-A) and Beta posteriors. Every node can always get
one more child: a draft at the root, a refinement of the node's answer elsewhere. A draw for a new child (GEN) competes
with a draw for descending to an existing child (CONT), and there the child with the largest draw is followed. A score
updates GEN at the node where the answer was generated, and CONT and the followed child at each node on the path to it.

Deviations: one answer is generated at a time; an answer with score 1 ends the search, because none can be better; a
failed decode, or an answer whose verdict was lost, updates nothing.
"""

import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from cogitate.strategies.core.ports import SampleFailed
from cogitate.strategies.core.prompt import Prompt
from cogitate.strategies.core.run import Run
from cogitate.strategies.core.types import Outcome
from cogitate.strategies.search.population import build_aggregation_prompt
from cogitate.strategies.voting.ballot import ranking

ScoreOutcome = Callable[[Outcome, Run], Awaitable[Outcome]]
"""Returns the outcome with the verifier's score; without a score where the verdict was lost."""
PRIOR = 0.5
"""Both parameters of the Beta prior: Jeffreys' prior."""


@dataclass(slots=True)
class BetaPosterior:
    """A Beta posterior over scores in [0, 1]."""

    alpha: float = PRIOR
    beta: float = PRIOR

    def update(self, score: float) -> None:
        """Add one observed score."""
        self.alpha, self.beta = self.alpha + score, self.beta + 1 - score

    def sample(self, rng: random.Random) -> float:
        """Draw one expected score."""
        return rng.betavariate(self.alpha, self.beta)


@dataclass(slots=True, eq=False)
class Node:
    """An answer in the tree; the root has none."""

    outcome: Outcome | None = None
    children: "list[Node]" = field(default_factory=list)
    gen: BetaPosterior = field(default_factory=BetaPosterior)
    """GEN: the scores of new children."""
    cont: BetaPosterior = field(default_factory=BetaPosterior)
    """CONT: the scores of all answers below the existing children."""
    subtree: BetaPosterior = field(default_factory=BetaPosterior)
    """The scores of this node's answer and all below it, by which its parent chooses."""


async def search(prompt: Prompt, max_answers: int, score: ScoreOutcome, run: Run) -> Outcome:
    """Run the tree search and return the answer with the highest score, with the rest as alternatives.

    Generates at most `max_answers` answers. Raises the last SampleFailed where all decodes failed.
    """
    rng = random.Random(run.request.sampling.seed)  # noqa: S311 not used for security
    root, outcomes, last_failure = Node(), list[Outcome](), SampleFailed("no answer was generated")
    for _ in range(max_answers):
        path = select_path(root, rng)
        parent = path[-1].outcome
        try:
            completion = await run.generate(build_aggregation_prompt(prompt, [parent]) if parent else prompt)
        except SampleFailed as failure:
            last_failure = failure
            continue
        outcome = Outcome(completion, await run.read(completion))
        if not outcomes:
            run.propose(outcome)
        outcome = await score(outcome, run)
        add_child(path, outcome)
        outcomes.append(outcome)
        run.propose(ranking(outcomes))
        if outcome.score == 1:
            break
    if not outcomes:
        raise last_failure
    return ranking(outcomes)


def select_path(root: Node, rng: random.Random) -> list[Node]:
    """Select the path from the root to the node that gets one more child (Thompson sampling)."""
    path = [root]
    while (node := path[-1]).children and node.cont.sample(rng) > node.gen.sample(rng):
        path.append(max(node.children, key=lambda child: child.subtree.sample(rng)))
    return path


def add_child(path: list[Node], outcome: Outcome) -> None:
    """Add a child at the end of the path and update the posteriors along it."""
    path[-1].children.append(Node(outcome))
    if outcome.score is None:
        return
    path[-1].gen.update(outcome.score)
    for node in path[1:]:
        node.subtree.update(outcome.score)
    for node in path[:-1]:
        node.cont.update(outcome.score)
