"""Exact verifier for the Countdown numbers game: reach a target with + - * /, using each number once.

The question is worded as in reasoning-gym. A partial solution is a position: its equations have replaced numbers by
their results, or have extended one growing expression. It scores 1 if the target can still be reached from the numbers
that are left, else 0; no model is called. A solution that has ended, or has boxed its answer, scores 1 only if that is
an expression over all numbers with the target's value.
"""

import asyncio
import re
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import combinations
from typing import Self

from cogitate.strategies.answers import extract
from cogitate.strategies.core.ports import Ask, Verdict
from cogitate.strategies.core.prompt import Prompt
from cogitate.strategies.core.types import Completion
from cogitate.strategies.verifiers.arithmetic import NotAnExpression, equation_chains, evaluate, tokenize_expression
from cogitate.strategies.verifiers.countdown_solver import is_reachable
from cogitate.strategies.verifiers.defaults import VerifierDefaults
from cogitate.strategies.verifiers.programmatic import STEP_SEPARATOR, split_steps

NUMBERS = re.compile(r"numbers:? ((?:\d{1,6}, ){1,5}\d{1,6})(?!,? ?\d)")
TARGET = re.compile(r"(?i:equals|make|calculate) (\d{1,6})\b")
_executor = ThreadPoolExecutor(max_workers=1, thread_name_prefix="countdown")
"""One thread for the process: a new position takes up to 0.4 s, and several threads would only wait for each other."""
UNKNOWN_SCORE = 0.5
"""The score of a solution to any other question."""


@dataclass(frozen=True, slots=True)
class Game:
    """The numbers to use and the target to reach."""

    numbers: tuple[Fraction, ...]
    target: Fraction

    def is_solution(self, text: str) -> bool:
        """Whether the text is an expression over all numbers, each once, with the target's value."""
        try:
            tokens = tokenize_expression(text)
            return sorted(numbers_in(tokens)) == sorted(self.numbers) and evaluate(tokens) == self.target
        except (NotAnExpression, ZeroDivisionError):
            return False


@dataclass(frozen=True, slots=True)
class Card:
    """A number that can be used."""

    value: Fraction
    sources: tuple[Fraction, ...]
    """The game's numbers that it was computed from."""


@dataclass(slots=True)
class Position:
    """The numbers that are left after the equations so far."""

    game: Game
    cards: list[Card] | None
    """None after an equation that is wrong or uses a number that is not available."""
    expressions: list[list[str]] = field(default_factory=list)
    """The expressions applied so far, as tokens."""

    @classmethod
    def start(cls, game: Game) -> Self:
        """The position before the first equation."""
        return cls(game, initial_cards(game))

    def apply_equation(self, sides: Sequence[list[str]]) -> None:
        """Apply one equation. Repeating one, or writing the complete solution at the end, changes nothing."""
        left, right = sorted(sides[:2], key=len, reverse=True)
        if len(left) < 2 or left in self.expressions:
            return
        try:
            value, values = evaluate(left), [evaluate(side) for side in sides]
        except (NotAnExpression, ZeroDivisionError):
            return
        self.expressions.append(left)
        numbers = numbers_in(left)
        uses_all = sorted(numbers) == sorted(self.game.numbers)
        cards = initial_cards(self.game) if uses_all else self.cards or []
        used = find_cards_by_value(cards, numbers) or find_cards_by_origin(cards, numbers)
        if not used or values.count(value) != len(values):
            self.cards = None
            return
        rest = [card for card in cards if not any(card is one for one in used)]
        self.cards = [*rest, Card(value, tuple(number for card in used for number in card.sources))]

    @property
    def score(self) -> float:
        """1 if the target can still be reached, else 0."""
        if self.cards is None:
            return 0.0
        numbers = tuple(sorted(card.value.as_integer_ratio() for card in self.cards))
        # The complete expression may be negated.
        return float(
            any(is_reachable(numbers, goal.as_integer_ratio()) for goal in (self.game.target, -self.game.target))
        )


@dataclass(frozen=True, slots=True)
class Countdown(VerifierDefaults):
    """Scores each step by whether the target can still be reached."""

    is_pure = True

    async def judge(self, question: Prompt, solutions: Sequence[Completion], ask: Ask) -> list[Verdict]:
        game = parse_game(question.question)
        if game is None:
            return [Verdict((UNKNOWN_SCORE,)) for _ in solutions]
        loop = asyncio.get_running_loop()
        return [await loop.run_in_executor(_executor, judge_solution, game, solution) for solution in solutions]


def judge_solution(game: Game, solution: Completion) -> Verdict:
    """The verdict on one solution of the game."""
    return Verdict(tuple(score_steps(game, solution)))


def parse_game(question: str) -> Game | None:
    """Parse the game from the question; None where the question is not one, or has more than six numbers."""
    numbers, target = NUMBERS.search(question), TARGET.search(question)
    if not numbers or not target:
        return None
    return Game(tuple(Fraction(number) for number in numbers[1].split(", ")), Fraction(target[1]))


def score_steps(game: Game, solution: Completion) -> list[float]:
    """One score per step."""
    position, scores = Position.start(game), list[float]()
    for step in split_steps(solution.text):
        for sides in equation_chains(step):
            position.apply_equation(sides)
        scores.append(position.score)
    answer = extract(solution.text, "auto")
    if solution.stopped_by != STEP_SEPARATOR or (answer and answer.rule == "boxed"):
        scores[-1:] = [float(answer is not None and game.is_solution(answer.raw))]
    return scores


def initial_cards(game: Game) -> list[Card]:
    """The game's numbers as cards."""
    return [Card(number, (number,)) for number in game.numbers]


def find_cards_by_value(cards: Sequence[Card], numbers: Sequence[Fraction]) -> list[Card] | None:
    """The cards that an expression uses; None where one is not available.

    A minus sign may be an operator or part of a number, as in -5 + 30.
    """
    unused, used = list(cards), list[Card]()
    for number in numbers:
        card = next((card for value in (number, -number) for card in unused if card.value == value), None)
        if card is None:
            return None
        unused.remove(card)
        used.append(card)
    return used


def find_cards_by_origin(cards: Sequence[Card], numbers: Sequence[Fraction]) -> list[Card] | None:
    """The cards that an expression over the game's original numbers uses: 94 * 4 - 61 continues 94 * 4."""
    values = sorted(numbers)
    for size in range(1, len(cards) + 1):
        for subset in combinations(cards, size):
            if sorted(number for card in subset for number in card.sources) == values:
                return list(subset)
    return None


def numbers_in(tokens: Sequence[str]) -> list[Fraction]:
    """The numbers among the tokens, in order."""
    return [Fraction(token.replace(",", "")) for token in tokens if token[0].isdigit()]
