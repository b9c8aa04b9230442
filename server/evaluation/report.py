"""Results -> a table: accuracy with its interval, the paired difference from a baseline, and what it all cost."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from cogitate.server.evaluation.results import REFUSED, Result
from cogitate.server.evaluation.statistics import mean, paired, quantile, wilson


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One strategy over all questions. What was refused is no answer, and in no mean of costs."""

    arm: str
    questions: int
    accuracy: float
    low: float
    high: float
    gain: tuple[float, float, float] | None
    """Over the baseline, with its interval; None for the baseline itself."""
    tokens: float
    aborted: float
    verifier: float
    candidates: float
    depth: tuple[float, float, float]
    """Mean, p50 and p95."""
    seconds: tuple[float, float]
    """p50 and p95."""
    abstained: float


def rows(results: Sequence[Result], baseline: str) -> list[Row]:
    """In the order in which the arms come. Only questions that every arm has answered are compared."""
    arms: dict[str, dict[str, list[Result]]] = defaultdict(lambda: defaultdict(list))
    for result in results:
        arms[result.arm][result.question].append(result)
    common = set.intersection(*(set(by) for by in arms.values())) if arms else set()
    questions = sorted(common)
    return [row(arm, by, questions, None if arm == baseline else arms.get(baseline)) for arm, by in arms.items()]


def easier(results: Sequence[Result], by: str) -> list[Result]:
    """The results of the half of the questions on which the arm `by` is right most often."""
    shares: dict[str, list[float]] = defaultdict(list)
    for result in results:
        if result.arm == by:
            shares[result.question].append(result.correct)
    ordered = sorted(shares, key=lambda question: (-mean(shares[question]), question))
    half = set(ordered[: (len(ordered) + 1) // 2])
    return [result for result in results if result.question in half]


def row(arm: str, by: dict[str, list[Result]], questions: Sequence[str], base: dict[str, list[Result]] | None) -> Row:
    scores = accuracies(by, questions)
    mine = [result for question in questions for result in by[question]]
    paid = [result for result in mine if result.stopped != REFUSED]
    low, high = wilson(sum(scores), len(scores))
    return Row(
        arm=arm,
        questions=len(questions),
        accuracy=mean(scores),
        low=low,
        high=high,
        gain=paired(scores, accuracies(base, questions)) if base else None,
        tokens=mean([result.tokens for result in paid]),
        aborted=mean([result.aborted for result in paid]),
        verifier=mean([result.verifier for result in paid]),
        candidates=mean([result.candidates for result in paid]),
        depth=(mean([result.depth for result in paid]), *spread([result.depth for result in paid])),
        seconds=spread([result.seconds for result in paid]),
        abstained=mean([result.answer is None for result in mine]),
    )


def accuracies(by: dict[str, list[Result]], questions: Sequence[str]) -> list[float]:
    """Of each question, over its repeats."""
    return [mean([result.correct for result in by[question]]) for question in questions]


def spread(values: Sequence[float]) -> tuple[float, float]:
    ordered = sorted(values)
    return quantile(ordered, 0.5), quantile(ordered, 0.95)


HEAD = (
    "| strategy | accuracy, % | 95 % interval | over the baseline, points | tokens | aborted | verifier | candidates "
    "| depth mean / p50 / p95 | seconds p50 / p95 | abstained, % |\n|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|"
)


def markdown(table: Sequence[Row]) -> str:
    return "\n".join((HEAD, *map(line, table)))


def line(row: Row) -> str:
    cells = (
        f"`{cell(row.arm)}`",
        f"{100 * row.accuracy:.1f}",
        f"{100 * row.low:.1f} to {100 * row.high:.1f}",
        "the baseline" if row.gain is None else "{:+.1f} ({:+.1f} to {:+.1f})".format(*(100 * g for g in row.gain)),
        f"{row.tokens:.0f}",
        f"{row.aborted:.0f}",
        f"{row.verifier:.0f}",
        f"{row.candidates:.1f}",
        "{:.0f} / {:.0f} / {:.0f}".format(*row.depth) if any(row.depth) else "",
        "{:.1f} / {:.1f}".format(*row.seconds) if any(row.seconds) else "",
        f"{100 * row.abstained:.1f}",
    )
    return f"| {' | '.join(cells)} |"


def cell(words: str) -> str:
    """Of a table: a bar would end it, and so would a new line."""
    return words.replace("|", r"\|").replace("\r", r"\r").replace("\n", r"\n")
