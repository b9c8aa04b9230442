"""The rows of a run's table, in order, and the keys of the results that belong to them."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass

from cogitate.server.evaluation.arms import BadArm, parse_arm
from cogitate.server.evaluation.baselines import GREEDY_ARM, SAMPLE_ARM
from cogitate.server.evaluation.errors import CannotEvaluate
from cogitate.server.evaluation.results import Key


class UnknownRow(CannotEvaluate):
    """--baseline names no row of this run."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """What a run compares. Results of other arms, questions or digests are not shown."""

    rows: Mapping[str, int]
    """The arms in the order in which they are shown, with how often each answers a question."""
    digests: Mapping[str, str]
    """The ids of the questions, with the digest of how their results are produced."""
    baseline: str
    """The row that gains are measured from."""

    def result_keys(self) -> Iterator[Key]:
        """Yield the keys of all results, row by row."""
        for row in self.rows:
            for question in self.digests:
                yield from self.keys_of(row, question)

    def keys_of(self, row: str, question: str) -> list[Key]:
        """Return the keys of a row's results for one question."""
        return [(row, question, repeat, self.digests[question]) for repeat in range(self.rows[row])]


def resolve_baseline(text: str | None, rows: Collection[str]) -> str:
    """Return the row that --baseline names; by default greedy where there is such a row, else the mean sample.

    Raises UnknownRow.
    """
    if text is None:
        return next(name for name in (GREEDY_ARM, SAMPLE_ARM) if name in rows)
    try:
        name = text if text in rows else parse_arm(text).name
    except BadArm:
        name = text
    if name not in rows:
        raise UnknownRow(f"--baseline {text} is no row of this run; the rows are: {', '.join(rows)}")
    return name
