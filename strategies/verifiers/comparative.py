"""Verifiers that compare solutions with each other: a one-token verdict says which of those shown is best.

- pairwise: every two solutions in both orders; the score is the mean probability of the verdict (Chen et al., 2024,
  arXiv:2411.19477). Deviation: a full round instead of the paper's knockout. With the pairings `pivot` and `swiss` a
  tournament of fewer comparisons, each in one order (`tournament.py`); the score is then the weighted win rate.
- groupwise: windows of eight, each shown as often as it has members, so that each solution stands once at every
  position; the score is the mean probability, and the best of several windows are compared again and rank above all
  others (GenSelect, arXiv:2507.17797). Deviation: label probabilities are read instead of a written choice.

No position number in a solution's text can match its position in all orders, and nothing in the text is parsed. Where
no verdict arrived the most typical text scores highest, never the first; equal texts are shown once.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from cogitate.strategies.core.label_probs import label_probabilities
from cogitate.strategies.core.ports import Ask, SampleFailed, Verdict
from cogitate.strategies.core.prompt import Message, Prompt
from cogitate.strategies.core.prompts import BEST, GRADER, NUMBERS
from cogitate.strategies.core.quoting import break_control_tokens, final_text, quote_texts
from cogitate.strategies.core.similarity import typicality
from cogitate.strategies.core.types import Completion
from cogitate.strategies.verifiers.defaults import VerifierDefaults
from cogitate.strategies.verifiers.standings import Game, Standings
from cogitate.strategies.verifiers.tournament import MAX_OPPONENTS, Pairing, play_tournament, takes_all_pairs

MAX_COMPARED_SOLUTIONS = 64
"""Each solution is shown many times, and every showing is prefilled."""
WINDOW_SOLUTIONS = len(NUMBERS)
"""GenSelect's window."""
Order = Sequence[str]
"""Texts in the order in which they are shown."""


@dataclass(frozen=True, slots=True)
class Pairwise(VerifierDefaults):
    """Compares solutions two by two with the engine's own model."""

    pairing: Pairing = "all"
    needs = frozenset({"logprobs"})
    compares = True

    async def judge(self, question: Prompt, solutions: Sequence[Completion], ask: Ask) -> list[Verdict]:
        texts = distinct_replies(solutions)
        score = self.score_all_pairs if takes_all_pairs(self.pairing, len(texts)) else self.score_tournament
        return build_verdicts(solutions, texts, await score(question, texts, ask))

    async def score_tournament(self, question: Prompt, texts: Order, ask: Ask) -> list[float]:
        """Score each text by a tournament."""
        standings = Standings(len(texts))

        async def play(games: Sequence[Game]) -> None:
            orders = [(texts[first], texts[second]) for first, second in games]
            standings.record(games, await ask_for_shares(question, orders, ask))

        await play_tournament(self.pairing, texts, standings, play)
        return typicality(texts) if standings.is_blank else standings.win_rates()

    async def score_all_pairs(self, question: Prompt, texts: Order, ask: Ask) -> list[float]:
        """Score each text by its comparisons with all others, or with MAX_OPPONENTS of them."""
        pairs = [(texts[a], texts[b]) for a, b in pair_indices(len(texts))]
        shares_by_order = await ask_for_shares(question, [*pairs, *(pair[::-1] for pair in pairs)], ask)
        shares_by_text: dict[str, list[float]] = {text: [] for text in texts}
        for (first, second), forward, backward in zip(
            pairs, shares_by_order[: len(pairs)], shares_by_order[len(pairs) :], strict=True
        ):
            if forward and backward:
                shares_by_text[first].append((forward[0] + backward[1]) / 2)
                shares_by_text[second].append((forward[1] + backward[0]) / 2)
        means = [math.fsum(shares) / len(shares) if shares else 0.5 for shares in shares_by_text.values()]
        return means if any(shares_by_text.values()) else typicality(texts)


@dataclass(frozen=True, slots=True)
class Groupwise(VerifierDefaults):
    """Compares up to WINDOW_SOLUTIONS solutions at once with the engine's own model."""

    needs = frozenset({"logprobs"})
    compares = True

    async def judge(self, question: Prompt, solutions: Sequence[Completion], ask: Ask) -> list[Verdict]:
        texts = distinct_replies(solutions)
        scores = await self.score_round(question, texts, ask)
        return build_verdicts(solutions, texts, [scores[text] for text in texts])

    async def score_round(self, question: Prompt, texts: Order, ask: Ask) -> dict[str, float]:
        """Score each text.

        With several windows their winners are compared again and take the upper half of the range.
        """
        windows = split_windows(texts)
        orders = [window[index:] + window[:index] for window in windows for index in range(len(window))]
        shares_by_order = iter(await ask_for_shares(question, orders, ask))
        scores: dict[str, float] = {}
        for window in windows:
            scores |= dict(zip(window, mean_shares(window, [next(shares_by_order) for _ in window]), strict=True))
        if len(windows) == 1:
            return scores
        best = [max(window, key=lambda text: scores[text]) for window in windows]
        later = await self.score_round(question, best, ask)
        return {text: (1 + later[text]) / 2 if text in later else score / 2 for text, score in scores.items()}


def count_group_verdicts(n: int) -> int:
    """Return the number of verdicts on n different solutions in windows."""
    return n if n <= WINDOW_SOLUTIONS else n + count_group_verdicts(math.ceil(n / WINDOW_SOLUTIONS))


def distinct_replies(solutions: Sequence[Completion]) -> list[str]:
    """The distinct final texts, in an order independent of their arrival."""
    return sorted({final_text(solution) for solution in solutions})


def pair_indices(n: int) -> list[tuple[int, int]]:
    """The pairs to compare, as a ring: each index meets at most MAX_OPPONENTS others, and each pair occurs once."""
    reach = min(n - 1, MAX_OPPONENTS)
    ring = {
        frozenset((index, (index + distance) % n))
        for index in range(n)
        for distance in range(1, math.ceil(reach / 2) + 1)
    }
    return sorted((min(pair), max(pair)) for pair in ring)


def split_windows(texts: Order) -> list[list[str]]:
    """Split the texts into the fewest windows, of sizes as even as possible."""
    count = max(1, math.ceil(len(texts) / WINDOW_SOLUTIONS))
    return [list(texts[index::count]) for index in range(count)]


async def ask_for_shares(question: Prompt, orders: Sequence[Order], ask: Ask) -> Sequence[list[float] | None]:
    """Ask for a verdict on each order and return the label probabilities by position.

    None where the verdict was lost or names none of the positions.
    """
    contested = [order for order in orders if len(order) > 1]
    if not contested:
        return [None] * len(orders)
    spellings = tuple(spelling for number in NUMBERS[: max(map(len, contested))] for spelling in number)
    try:
        shares_by_order = await ask([build_comparison_prompt(question, order) for order in contested], spellings)
    except SampleFailed:
        shares_by_order = [None] * len(contested)
    verdicts = zip(contested, shares_by_order, strict=True)
    probabilities = iter(
        [label_probabilities(verdict, NUMBERS[: len(order)]) if verdict else None for order, verdict in verdicts]
    )
    return [next(probabilities) if len(order) > 1 else None for order in orders]


def build_comparison_prompt(question: Prompt, texts: Order) -> Prompt:
    """Build the prompt that shows the texts under their numbers."""
    text = BEST.format(question=break_control_tokens(question.question.strip()), candidates=quote_texts(texts))
    return Prompt((Message("system", GRADER), Message("user", text)))


def mean_shares(window: Order, shares_by_order: Sequence[list[float] | None]) -> list[float]:
    """Each text's mean probability over the orders; order i starts with text i."""
    size = len(window)
    if size == 1:
        return [0.5]
    reported = [(index, shares) for index, shares in enumerate(shares_by_order) if shares]
    if not reported:
        return typicality(window)
    return [
        math.fsum(shares[(text - index) % size] for index, shares in reported) / len(reported) for text in range(size)
    ]


def build_verdicts(solutions: Sequence[Completion], texts: Order, scores: Sequence[float]) -> list[Verdict]:
    """One verdict per solution. A single text has no opponent and scores 0.5."""
    scores_by_text = dict(zip(texts, scores if len(texts) > 1 else [0.5], strict=True))
    return [Verdict((scores_by_text[final_text(solution)],)) for solution in solutions]
