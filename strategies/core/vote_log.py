"""The votes of one search as they were recorded, each with the candidates that it is counted with."""

from dataclasses import dataclass, field, replace

from cogitate.strategies.answers import Answer
from cogitate.strategies.core.election import Election
from cogitate.strategies.core.events import Cast
from cogitate.strategies.core.types import Completion, Outcome


@dataclass(slots=True)
class VoteLog:
    """The last vote of each candidate. A bloc has the number of the first candidate that gave its answer."""

    votes: dict[int, Cast] = field(default_factory=dict)
    _blocs: dict[str, int] = field(default_factory=dict)
    """By the key of the class."""
    _version: int = 0
    """That of the classes by which the blocs were formed."""

    def cast(self, completion: Completion, answer: Answer | None, weight: float | None) -> list[Cast]:
        """Return a candidate's vote, after those of others that are in another bloc since this answer came."""
        changed = self._regroup(answer)
        bloc = None if answer is None else self._blocs.setdefault(answer.class_key, completion.index)
        self.votes[completion.index] = vote = Cast(completion, answer, bloc, weight if answer else None)
        return [*changed, vote]

    def settle(self, election: Election[Outcome]) -> list[Cast]:
        """Return the votes of an election that differ from those so far: by answer, bloc or weight."""
        changed = [vote for outcome in election.electorate for vote in self._regroup(outcome.answer)]
        for outcome in election.electorate:
            answer, index = outcome.answer, outcome.completion.index
            bloc = None if answer is None else self._blocs.setdefault(answer.class_key, index)
            weight = election.weigh(outcome) if answer and election.weigh else None
            before = self.votes.get(index)
            if before is None or (before.answer, before.bloc, before.weight) != (answer, bloc, weight):
                self.votes[index] = vote = Cast(outcome.completion, answer, bloc, weight)
                changed.append(vote)
        return changed

    def _regroup(self, answer: Answer | None) -> list[Cast]:
        """Form the blocs anew where the classes have changed, and return the votes whose bloc is another."""
        if answer is None or answer.classes is None or answer.classes.version == self._version:
            return []
        self._version, self._blocs, changed = answer.classes.version, {}, list[Cast]()
        for index, vote in self.votes.items():
            bloc = self._blocs.setdefault(vote.answer.class_key, index) if vote.answer else None
            if bloc != vote.bloc:
                changed.append(replace(vote, bloc=bloc))
        self.votes |= {vote.completion.index: vote for vote in changed}
        return changed
