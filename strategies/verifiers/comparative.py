"""Solutions judged side by side: a verdict in one token says which of those shown is the best.

pairwise: every two, in both orders, and the score is the mean share of the verdict (Chen et al., 2024,
arXiv:2411.19477; deviation: all meet, where the paper knocks out). groupwise: windows of eight, shown as often as they
have members, so that each stands once at every place; the score is the mean share, and the best of several windows
meet again, above all others (GenSelect, arXiv:2507.17797; deviation: shares are read in place of a written choice). No
number that a text claims is its own at all places, and nothing that it says is parsed. Where no verdict came at all,
the most typical text is taken, never the first; texts that say the same are shown once.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from cogitate.strategies.core.label_probs import shares
from cogitate.strategies.core.ports import Ask, SampleFailed, Verdict
from cogitate.strategies.core.prompts import BEST, GRADER, NUMBERS
from cogitate.strategies.core.quoting import inert, numbered, reply
from cogitate.strategies.core.similarity import typicality
from cogitate.strategies.core.types import Completion, Message, Prompt
from cogitate.strategies.verifiers.defaults import Alone

OPPONENTS = 16
"""Of each solution at most: all others, where there are no more."""
MOST_COMPARED = 64
"""Solutions. Each is shown many times, and what is shown is read."""
WINDOW = len(NUMBERS)
"""GenSelect's."""
Order = Sequence[str]
"""Texts, as they are shown."""


@dataclass(frozen=True, slots=True)
class Pairwise(Alone):
    """The engine's own model compares solutions two by two."""

    needs = frozenset({"logprobs"})
    compares = True

    async def judge(self, question: Prompt, solutions: Sequence[Completion], ask: Ask) -> list[Verdict]:
        texts = distinct(solutions)
        pairs = [(texts[a], texts[b]) for a, b in meetings(len(texts))]
        said = await told(question, [*pairs, *(pair[::-1] for pair in pairs)], ask)
        won: dict[str, list[float]] = {text: [] for text in texts}
        for (first, second), one, other in zip(pairs, said[: len(pairs)], said[len(pairs) :], strict=True):
            if one and other:
                won[first].append((one[0] + other[1]) / 2)
                won[second].append((one[1] + other[0]) / 2)
        means = [math.fsum(shares) / len(shares) if shares else 0.5 for shares in won.values()]
        return scored(solutions, texts, means if any(won.values()) else typicality(texts))


@dataclass(frozen=True, slots=True)
class Groupwise(Alone):
    """The engine's own model compares as many solutions at once as a window holds."""

    needs = frozenset({"logprobs"})
    compares = True

    async def judge(self, question: Prompt, solutions: Sequence[Completion], ask: Ask) -> list[Verdict]:
        texts = distinct(solutions)
        scores = await self.round(question, texts, ask)
        return scored(solutions, texts, [scores[text] for text in texts])

    async def round(self, question: Prompt, texts: Order, ask: Ask) -> dict[str, float]:
        """The score of each. Of several windows the best have the upper half, by how they fare among themselves."""
        windows = split(texts)
        orders = [window[at:] + window[:at] for window in windows for at in range(len(window))]
        said = iter(await told(question, orders, ask))
        scores: dict[str, float] = {}
        for window in windows:
            scores |= dict(zip(window, placed(window, [next(said) for _ in window]), strict=True))
        if len(windows) == 1:
            return scores
        best = [max(window, key=lambda text: scores[text]) for window in windows]
        later = await self.round(question, best, ask)
        return {text: (1 + later[text]) / 2 if text in later else score / 2 for text, score in scores.items()}


QUESTIONS: dict[str, Callable[[int], int]] = {
    "judge": lambda n: n,
    "pairwise": lambda n: n * min(n - 1, OPPONENTS),
    "groupwise": lambda n: n if n <= WINDOW else n + QUESTIONS["groupwise"](math.ceil(n / WINDOW)),
}
"""The most tokens that the model decodes to judge n solutions; nothing for any other verifier."""


def distinct(solutions: Sequence[Completion]) -> list[str]:
    """What they say, each once, in an order that is not that in which they came."""
    return sorted({reply(solution) for solution in solutions})


def meetings(n: int) -> list[tuple[int, int]]:
    """Who meets whom, in a ring: everybody at most OPPONENTS others, and each pair once."""
    reach = min(n - 1, OPPONENTS)
    ring = {frozenset((at, (at + far) % n)) for at in range(n) for far in range(1, math.ceil(reach / 2) + 1)}
    return sorted((min(pair), max(pair)) for pair in ring)


def split(texts: Order) -> list[list[str]]:
    """As few windows as hold them, of sizes as even as can be."""
    few = max(1, math.ceil(len(texts) / WINDOW))
    return [list(texts[at::few]) for at in range(few)]


async def told(question: Prompt, orders: Sequence[Order], ask: Ask) -> Sequence[list[float] | None]:
    """The verdict's shares over the places of each order; None where it was lost or names none of them."""
    contested = [order for order in orders if len(order) > 1]
    if not contested:
        return [None] * len(orders)
    spellings = tuple(spelling for number in NUMBERS[: max(map(len, contested))] for spelling in number)
    try:
        said = await ask([compared(question, order) for order in contested], spellings)
    except SampleFailed:
        said = [None] * len(contested)
    verdicts = zip(contested, said, strict=True)
    found = iter([shares(verdict, NUMBERS[: len(order)]) if verdict else None for order, verdict in verdicts])
    return [next(found) if len(order) > 1 else None for order in orders]


def compared(question: Prompt, texts: Order) -> Prompt:
    words = BEST.format(question=inert(question.question.strip()), candidates=numbered(texts))
    return Prompt((Message("system", GRADER), Message("user", words)))


def placed(window: Order, said: Sequence[list[float] | None]) -> list[float]:
    """Each one's mean share over the orders, of which number `at` begins with text `at`."""
    size = len(window)
    if size == 1:
        return [0.5]
    known = [(at, shares) for at, shares in enumerate(said) if shares]
    if not known:
        return typicality(window)
    return [math.fsum(shares[(text - at) % size] for at, shares in known) / len(known) for text in range(size)]


def scored(solutions: Sequence[Completion], texts: Order, scores: Sequence[float]) -> list[Verdict]:
    """One for each solution. Who is alone has nobody to be better than: 1/2."""
    found = dict(zip(texts, scores if len(texts) > 1 else [0.5], strict=True))
    return [Verdict((found[reply(solution)],)) for solution in solutions]
