"""What one run compares: its rows in order, and how the results of each question are made. Nothing else is shown."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass

from cogitate.server.evaluation.arms import BadArm, arm
from cogitate.server.evaluation.baselines import GREEDY, ONE
from cogitate.server.evaluation.errors import CannotEvaluate
from cogitate.server.evaluation.results import Key


class NoSuchRow(CannotEvaluate):
    """What is no row of this run, and what is one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    rows: Mapping[str, int]
    """The arms in the order in which they are shown, and how often each answers a question."""
    made: Mapping[str, str]
    """The questions, and how their results are made."""
    baseline: str

    def wanted(self) -> Iterator[Key]:
        for row in self.rows:
            for question in self.made:
                yield from self.of(row, question)

    def of(self, row: str, question: str) -> list[Key]:
        return [(row, question, repeat, self.made[question]) for repeat in range(self.rows[row])]


def baseline(written: str | None, rows: Collection[str]) -> str:
    """The row that gains are measured from: greedy where there is one, else the mean sample. Raises NoSuchRow."""
    if written is None:
        return next(name for name in (GREEDY, ONE) if name in rows)
    try:
        name = written if written in rows else arm(written).name
    except BadArm:
        name = written
    if name not in rows:
        raise NoSuchRow(f"--baseline {written} is no row of this run; there are: {', '.join(rows)}")
    return name
