"""Candidates as they come in, grouped by the answer they give. The order in which they come never changes a result."""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace

from cogitate.strategies.core.quoting import reply
from cogitate.strategies.core.types import Outcome

Weight = Callable[[Outcome], float]


def one(_: Outcome) -> float:
    """Every vote counts the same."""
    return 1.0


def score_of(outcome: Outcome) -> float:
    """Votes weigh what the verifier gave them."""
    return outcome.score or 0.0


def likelihood(outcome: Outcome) -> float:
    mean = outcome.completion.mean_logprob
    return -math.inf if mean is None else mean


def merit(outcome: Outcome) -> tuple[bool, float, int, float, int]:
    """Larger is better: not ended as unsure, the verifier's score, the more whole, the likelier, the earlier sample."""
    sure = outcome.completion.finish != "unsure"
    return sure, score_of(outcome), wholeness(outcome), likelihood(outcome), -outcome.completion.index


def wholeness(outcome: Outcome) -> int:
    """An answer that can be read is worth more than a text that came to its end, that more than one that was cut off,
    and nothing at all least.
    """
    if outcome.answer:
        return 3
    return 1 + (outcome.completion.finish == "stop") if reply(outcome.completion) else 0


def usual(scores: Iterable[float | None]) -> float | None:
    """The mean of those that are known."""
    known = [score for score in scores if score is not None]
    return math.fsum(known) / len(known) if known else None


def filled(scores: Sequence[float | None]) -> list[float | None]:
    """Where a verdict was lost, the mean of the others; as they are where all were."""
    mean = usual(scores)
    return [mean if score is None else score for score in scores]


def _show(outcome: Outcome) -> tuple[float, float, int, int]:
    """Of those that give one answer: the verifier's favourite, else the likeliest, the shortest, the earliest."""
    score, likely = score_of(outcome), likelihood(outcome)
    return score, likely, -len(outcome.completion.text), -outcome.completion.index


@dataclass(slots=True)
class Bloc:
    """The candidates that gave one answer."""

    members: list[Outcome]
    representative: Outcome
    """The member to show."""
    likelihood: float
    first: int

    @classmethod
    def of(cls, outcome: Outcome) -> "Bloc":
        return cls([outcome], outcome, likelihood(outcome), outcome.completion.index)

    def add(self, outcome: Outcome) -> None:
        self.members.append(outcome)
        self.representative = max(self.representative, outcome, key=_show)
        self.likelihood = max(self.likelihood, likelihood(outcome))
        self.first = min(self.first, outcome.completion.index)

    def rank(self, weight: Weight) -> tuple[float, int, float, int]:
        """Larger wins. Ties: the higher count, then the likelier member, then the earliest sample; never chance."""
        count = len(self.members)
        return (count if weight is one else math.fsum(map(weight, self.members)), count, self.likelihood, -self.first)


@dataclass(slots=True)
class Ballot:
    """Who voted for what. A candidate without an answer abstains. Weights must be >= 0."""

    blocs: dict[str, Bloc] = field(default_factory=dict)
    abstained: list[Outcome] = field(default_factory=list)
    votes: list[Outcome] = field(default_factory=list)
    """All of them, as they came in."""
    finished: int = 0
    """Those that were not ended as unsure."""

    @property
    def size(self) -> int:
        return len(self.votes)

    @classmethod
    def of(cls, outcomes: Iterable[Outcome]) -> "Ballot":
        ballot = cls()
        for outcome in outcomes:
            ballot.cast(outcome)
        return ballot

    def cast(self, outcome: Outcome) -> None:
        self.votes.append(outcome)
        self.finished += outcome.completion.finish != "unsure"
        if outcome.answer is None:
            self.abstained.append(outcome)
        elif bloc := self.blocs.get(outcome.answer.key):
            bloc.add(outcome)
        else:
            self.blocs[outcome.answer.key] = Bloc.of(outcome)

    def ranked(self, weight: Weight = one) -> list[Bloc]:
        """The blocs, the winner first."""
        return sorted(self.blocs.values(), key=lambda bloc: bloc.rank(weight), reverse=True)

    def winner(self, weight: Weight = one) -> Outcome:
        """The answer that most gave, and the share of them; the best single candidate where all abstained."""
        blocs = self.ranked(weight)
        if not blocs:
            return max(self.abstained, key=merit)
        shown = blocs[0].representative
        return Outcome(shown.completion, shown.answer, shown.score, len(blocs[0].members) / self.finished)

    def ranking(self, weight: Weight = one) -> Outcome:
        """The winner, and after it the others: each other answer's representative, then everyone else by merit."""
        blocs = self.ranked(weight)
        if not blocs:
            return ranking(self.abstained)
        heads = [bloc.representative for bloc in blocs]
        members = [sorted(bloc.members, key=merit, reverse=True) for bloc in blocs]
        rest = [o for bloc, head in zip(members, heads, strict=True) for o in bloc if o is not head]
        others = (*heads[1:], *rest, *sorted(self.abstained, key=merit, reverse=True))
        return replace(heads[0], agreement=len(blocs[0].members) / self.finished, others=others)


def ranking(outcomes: Iterable[Outcome]) -> Outcome:
    """The best by merit, and the others behind it in that order."""
    first, *others = sorted(outcomes, key=merit, reverse=True)
    return replace(first, others=tuple(others))
