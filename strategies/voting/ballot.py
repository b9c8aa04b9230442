"""Groups candidates by their answer. The result does not depend on the order in which candidates arrive."""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace

from cogitate.strategies.answers import Classes
from cogitate.strategies.core.election import Election
from cogitate.strategies.core.types import Outcome

Weight = Callable[[Outcome], float]
"""The weight of one vote, >= 0."""


def unit_weight(_: Outcome) -> float:
    """Return 1 for every vote."""
    return 1.0


def score_of(outcome: Outcome) -> float:
    """The verifier's score as a weight; 0 where there is none."""
    return outcome.score or 0.0


def likelihood(outcome: Outcome) -> float:
    """The length-normalised log-probability; minus infinity where no log-probabilities were reported."""
    mean = outcome.completion.mean_logprob
    return -math.inf if mean is None else mean


def merit(outcome: Outcome) -> tuple[bool, bool, float, int, float, int]:
    """Return the sort key by which single candidates are ranked; the larger one is better.

    It compares, in this order: not stopped for low confidence, finished, verifier score, completeness, likelihood,
    lower sample index. A text that was cut off before its answer is not chosen for its score over one that ended,
    unless the verifier gave that one 0.
    """
    sure, complete = outcome.completion.finish != "unsure", completeness(outcome)
    finished = complete >= FINISHED and outcome.score != 0
    return sure, finished, score_of(outcome), complete, likelihood(outcome), -outcome.completion.index


FINISHED = 2
"""The completeness from which on a candidate came to its end."""


def completeness(outcome: Outcome) -> int:
    """Return how complete a candidate is, from 0 to 3.

    3: it has an answer. 2: its text ended by itself. 1: its text was cut off. 0: it has no text.
    """
    if outcome.answer:
        return 3
    return 1 + (outcome.completion.finish == "stop") if outcome.completion.has_reply else 0


def mean_available(scores: Iterable[float | None]) -> float | None:
    """The mean of the scores that are not None; None where there is none."""
    known = [score for score in scores if score is not None]
    return math.fsum(known) / len(known) if known else None


def impute_mean(scores: Sequence[float | None]) -> list[float | None]:
    """Replace missing scores with the mean of the known ones; returns the scores unchanged where none is known."""
    mean = mean_available(scores)
    return [mean if score is None else score for score in scores]


def _representative_key(outcome: Outcome) -> tuple[float, float, int, int]:
    """Return the sort key within one bloc: verifier score, likelihood, shorter text, lower sample index."""
    score, likely = score_of(outcome), likelihood(outcome)
    return score, likely, -len(outcome.completion.text), -outcome.completion.index


@dataclass(slots=True)
class Bloc:
    """The candidates that gave one answer."""

    members: list[Outcome]
    representative: Outcome
    """The member that is returned for this answer."""
    likelihood: float
    """The highest likelihood among the members."""
    first_index: int
    """The lowest sample index among the members."""

    @classmethod
    def of(cls, outcome: Outcome) -> "Bloc":
        """Build a bloc of one member."""
        return cls([outcome], outcome, likelihood(outcome), outcome.completion.index)

    def add(self, outcome: Outcome) -> None:
        """Add a member."""
        self.members.append(outcome)
        self.representative = max(self.representative, outcome, key=_representative_key)
        self.likelihood = max(self.likelihood, likelihood(outcome))
        self.first_index = min(self.first_index, outcome.completion.index)

    def sort_key(self, weight: Weight) -> tuple[float, int, float, int]:
        """Return the sort key, the larger one wins: total weight, number of members, highest likelihood, lower index.

        Ties are never broken at random.
        """
        count = len(self.members)
        return (
            count if weight is unit_weight else math.fsum(map(weight, self.members)),
            count,
            self.likelihood,
            -self.first_index,
        )


@dataclass(slots=True)
class _Count:
    """The blocs of the votes counted so far."""

    version: int = 0
    """That of the classes by which they were counted."""
    votes: int = 0
    blocs: dict[str, Bloc] = field(default_factory=dict)

    def add(self, votes: Iterable[Outcome]) -> None:
        """Count more votes; abstentions are in no bloc."""
        for vote in votes:
            self.votes += 1
            if vote.answer is None:
                continue
            key = vote.answer.class_key
            if key in self.blocs:
                self.blocs[key].add(vote)
            else:
                self.blocs[key] = Bloc.of(vote)


@dataclass(slots=True)
class Ballot:
    """The votes for each answer. A candidate without an answer abstains. Weights must be >= 0."""

    abstentions: list[Outcome] = field(default_factory=list)
    votes: list[Outcome] = field(default_factory=list)
    """All votes in order of arrival, abstentions included."""
    finished: int = 0
    """The number of votes that were not stopped for low confidence."""

    _classes: Classes | None = field(default=None, repr=False, compare=False)
    _count: _Count = field(default_factory=_Count, repr=False, compare=False)

    @property
    def blocs(self) -> dict[str, Bloc]:
        """The blocs by the key of their class.

        Only the votes since the last call are counted, unless the classes have changed, and with them what earlier
        votes are equal to.
        """
        version = self._classes.version if self._classes else 0
        if version != self._count.version:
            self._count = _Count(version)
        self._count.add(self.votes[self._count.votes :])
        return self._count.blocs

    @property
    def size(self) -> int:
        """The number of votes, abstentions included."""
        return len(self.votes)

    @classmethod
    def of(cls, outcomes: Iterable[Outcome]) -> "Ballot":
        """Build a ballot of these votes."""
        ballot = cls()
        for outcome in outcomes:
            ballot.cast(outcome)
        return ballot

    def cast(self, outcome: Outcome) -> None:
        """Add one vote."""
        self.votes.append(outcome)
        self.finished += outcome.completion.finish != "unsure"
        if outcome.answer is None:
            self.abstentions.append(outcome)
        elif outcome.answer.classes is not None:
            self._classes = outcome.answer.classes

    def rank_blocs(self, weight: Weight = unit_weight) -> list[Bloc]:
        """Return the blocs by total weight, the winner first."""
        return sorted(self.blocs.values(), key=lambda bloc: bloc.sort_key(weight), reverse=True)

    def winner(self, weight: Weight = unit_weight) -> Outcome:
        """Return the winning answer's representative, with that answer's share of the finished votes.

        Where all candidates abstained, returns the one that ranks highest by `merit`.
        """
        blocs = self.rank_blocs(weight)
        election = Election("votes", self.votes, weight)
        if not blocs:
            return replace(max(self.abstentions, key=merit), election=election)
        best = blocs[0].representative
        agreement = len(blocs[0].members) / self.finished
        return Outcome(best.completion, best.answer, best.score, agreement, election=election)

    def ranking(self, weight: Weight = unit_weight) -> Outcome:
        """Return the winner, with all other candidates as its ranked alternatives.

        The representatives of the other answers come first, then the remaining members bloc by bloc, then the
        abstentions, each group by merit.
        """
        blocs = self.rank_blocs(weight)
        election = Election("votes", self.votes, weight)
        if not blocs:
            return replace(ranking(self.abstentions), election=election)
        heads = [bloc.representative for bloc in blocs]
        members = [sorted(bloc.members, key=merit, reverse=True) for bloc in blocs]
        rest = [o for bloc, head in zip(members, heads, strict=True) for o in bloc if o is not head]
        alternatives = (*heads[1:], *rest, *sorted(self.abstentions, key=merit, reverse=True))
        agreement = len(blocs[0].members) / self.finished
        return replace(heads[0], agreement=agreement, alternatives=alternatives, election=election)


def ranking(outcomes: Iterable[Outcome]) -> Outcome:
    """Return the candidate that ranks highest by `merit`, with the rest as its alternatives in that order."""
    candidates = list(outcomes)
    first, *rest = sorted(candidates, key=merit, reverse=True)
    return replace(first, alternatives=tuple(rest), election=Election("merit", candidates))
