"""Builds the table of a comparison: accuracy with its interval, the paired gain over a baseline, and the costs."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from cogitate.server.evaluation.results import REFUSED, Result
from cogitate.server.evaluation.statistics import bootstrap_difference, mean, wilson
from cogitate.strategies.voting.confidence import percentile

ByQuestion = Mapping[str, Sequence[Result]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One arm over all questions. Questions that do not fit into the context are wrong, and in no mean of costs.

    Token counts are means per question; shares are from 0 to 1.
    """

    arm: str
    questions: int
    accuracy: float
    low: float
    """Lower end of the accuracy's 95 % interval."""
    high: float
    gain: tuple[float, float, float] | None
    """The accuracy's difference from the baseline, and its 95 % interval; None for the baseline itself."""
    tokens: float
    aborted: float
    verifier: float
    candidates: float
    depth: tuple[float, float, float]
    """Mean, median and 95th percentile, in tokens."""
    seconds: tuple[float, float]
    """Median and 95th percentile."""
    abstained: float


def build_rows(results: Sequence[Result], baseline: str) -> list[Row]:
    """Build a row per arm, in the order of the results. Only questions that every arm has results of are compared."""
    arms: dict[str, dict[str, list[Result]]] = defaultdict(lambda: defaultdict(list))
    for result in results:
        arms[result.arm][result.question].append(result)
    common = set.intersection(*(set(by_question) for by_question in arms.values())) if arms else set()
    questions = sorted(common)
    return [
        _build_row(arm, by_question, questions, None if arm == baseline else arms.get(baseline))
        for arm, by_question in arms.items()
    ]


def easier_half(results: Sequence[Result], arm: str) -> list[Result]:
    """Return the results of that half of the questions on which the arm is right most often."""
    scores: dict[str, list[float]] = defaultdict(list)
    for result in results:
        if result.arm == arm:
            scores[result.question].append(result.correct)
    ordered = sorted(scores, key=lambda question: (-mean(scores[question]), question))
    half = set(ordered[: (len(ordered) + 1) // 2])
    return [result for result in results if result.question in half]


def _build_row(arm: str, by_question: ByQuestion, questions: Sequence[str], baseline: ByQuestion | None) -> Row:
    scores = _accuracies(by_question, questions)
    results = [result for question in questions for result in by_question[question]]
    answered = [result for result in results if result.stopped != REFUSED]
    low, high = wilson(sum(scores), len(scores))
    return Row(
        arm=arm,
        questions=len(questions),
        accuracy=mean(scores),
        low=low,
        high=high,
        gain=bootstrap_difference(scores, _accuracies(baseline, questions)) if baseline else None,
        tokens=mean([result.tokens for result in answered]),
        aborted=mean([result.aborted for result in answered]),
        verifier=mean([result.verifier for result in answered]),
        candidates=mean([result.candidates for result in answered]),
        depth=(mean([result.depth for result in answered]), *_median_and_p95([result.depth for result in answered])),
        seconds=_median_and_p95([result.seconds for result in answered]),
        abstained=mean([result.answer is None for result in results]),
    )


def _accuracies(by_question: ByQuestion, questions: Sequence[str]) -> list[float]:
    """The accuracy of each question, over its repeats."""
    return [mean([result.correct for result in by_question[question]]) for question in questions]


def _median_and_p95(values: Sequence[float]) -> tuple[float, float]:
    return percentile(values, 0.5), percentile(values, 0.95)


HEAD = (
    "| strategy | accuracy, % | 95 % interval | over the baseline, points | tokens | aborted | verifier | candidates "
    "| depth mean / p50 / p95 | seconds p50 / p95 | abstained, % |\n|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|"
)


def to_markdown(rows: Sequence[Row]) -> str:
    """Format the rows as a Markdown table."""
    return "\n".join((HEAD, *map(_format_row, rows)))


def _format_row(row: Row) -> str:
    cells = (
        f"`{_escape(row.arm)}`",
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


def _escape(text: str) -> str:
    """Escape what would end a table's cell: a bar, or a line break."""
    return text.replace("|", r"\|").replace("\r", r"\r").replace("\n", r"\n")
