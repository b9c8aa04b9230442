"""The exact verifier of the numbers game Countdown, as reasoning-gym words it: each number once, + - * /, one target.

A partial solution is a position: its equations have taken numbers away and put their results there instead, or have
gone on with an expression that grows. It scores 1 if the target can still be made of what is left, else 0: no model is
asked, and nothing is guessed. A solution that has ended, or has boxed its answer, scores 1 only if that is an
expression over all the numbers with the target's value.
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
from cogitate.strategies.core.types import Completion, Prompt
from cogitate.strategies.verifiers.arithmetic import Unreadable, chains, evaluate, expression
from cogitate.strategies.verifiers.countdown_solver import reachable
from cogitate.strategies.verifiers.defaults import Alone
from cogitate.strategies.verifiers.programmatic import SEPARATOR, steps_of

NUMBERS = re.compile(r"numbers:? ((?:\d{1,6}, ){1,5}\d{1,6})(?!,? ?\d)")
TARGET = re.compile(r"(?i:equals|make|calculate) (\d{1,6})\b")
_searcher = ThreadPoolExecutor(max_workers=1, thread_name_prefix="countdown")
"""One for the process: a new position takes up to 0.4 s, and several at once would only wait for each other."""
UNKNOWN = 0.5
"""Of a solution to any other question."""


@dataclass(frozen=True, slots=True)
class Game:
    numbers: tuple[Fraction, ...]
    target: Fraction

    def solved(self, written: str) -> bool:
        """Whether this is an expression over all the numbers, each once, and has the target's value."""
        try:
            tokens = expression(written)
            return sorted(numbers_in(tokens)) == sorted(self.numbers) and evaluate(tokens) == self.target
        except (Unreadable, ZeroDivisionError):
            return False


@dataclass(frozen=True, slots=True)
class Card:
    """A number that can be used."""

    value: Fraction
    made_of: tuple[Fraction, ...]
    """The numbers of the game that are in it."""


@dataclass(slots=True)
class Position:
    game: Game
    left: list[Card] | None
    """None once an equation was wrong or took what was not there."""
    played: list[list[str]] = field(default_factory=list)

    @classmethod
    def start(cls, game: Game) -> Self:
        return cls(game, dealt(game))

    def play(self, sides: Sequence[list[str]]) -> None:
        """One equation. To write one again, or the whole solution at last, is no new move."""
        left, right = sorted(sides[:2], key=len, reverse=True)
        if len(left) < 2 or left in self.played:
            return
        try:
            value, wanted = evaluate(left), [evaluate(side) for side in sides]
        except (Unreadable, ZeroDivisionError):
            return
        self.played.append(left)
        numbers = numbers_in(left)
        whole = sorted(numbers) == sorted(self.game.numbers)
        cards = dealt(self.game) if whole else self.left or []
        used = by_value(cards, numbers) or by_origin(cards, numbers)
        if not used or wanted.count(value) != len(wanted):
            self.left = None
            return
        rest = [card for card in cards if not any(card is one for one in used)]
        self.left = [*rest, Card(value, tuple(number for card in used for number in card.made_of))]

    @property
    def score(self) -> float:
        if self.left is None:
            return 0.0
        numbers = tuple(sorted(card.value.as_integer_ratio() for card in self.left))
        # A minus sign may stand before the whole.
        return float(any(reachable(numbers, goal.as_integer_ratio()) for goal in (self.game.target, -self.game.target)))


@dataclass(frozen=True, slots=True)
class Countdown(Alone):
    """The game, exactly: whether the goal can still be reached."""

    async def judge(self, question: Prompt, solutions: Sequence[Completion], ask: Ask) -> list[Verdict]:
        game = game_of(question.question)
        if game is None:
            return [Verdict((UNKNOWN,)) for _ in solutions]
        loop = asyncio.get_running_loop()
        return [await loop.run_in_executor(_searcher, verdict, game, solution) for solution in solutions]


def verdict(game: Game, solution: Completion) -> Verdict:
    return Verdict(tuple(scores(game, solution)))


def game_of(question: str) -> Game | None:
    """The game that is asked for; None where it is none, or one of more than six numbers."""
    numbers, target = NUMBERS.search(question), TARGET.search(question)
    if not numbers or not target:
        return None
    return Game(tuple(Fraction(number) for number in numbers[1].split(", ")), Fraction(target[1]))


def scores(game: Game, solution: Completion) -> list[float]:
    """One for each step."""
    position, marks = Position.start(game), list[float]()
    for step in steps_of(solution.text):
        for sides in chains(step):
            position.play(sides)
        marks.append(position.score)
    answer = extract(solution.text, "auto")
    if solution.stopped_by != SEPARATOR or (answer and answer.rule == "boxed"):
        marks[-1:] = [float(answer is not None and game.solved(answer.raw))]
    return marks


def dealt(game: Game) -> list[Card]:
    return [Card(number, (number,)) for number in game.numbers]


def by_value(cards: Sequence[Card], numbers: Sequence[Fraction]) -> list[Card] | None:
    """The cards that an expression takes; None where one is not there.

    A minus sign may be an operator or a number's own, as in -5 + 30.
    """
    left, used = list(cards), list[Card]()
    for number in numbers:
        card = next((card for value in (number, -number) for card in left if card.value == value), None)
        if card is None:
            return None
        left.remove(card)
        used.append(card)
    return used


def by_origin(cards: Sequence[Card], numbers: Sequence[Fraction]) -> list[Card] | None:
    """The cards that an expression over the game's own numbers takes: 94 * 4 - 61 goes on from 94 * 4."""
    wanted = sorted(numbers)
    for size in range(1, len(cards) + 1):
        for some in combinations(cards, size):
            if sorted(number for card in some for number in card.made_of) == wanted:
                return list(some)
    return None


def numbers_in(tokens: Sequence[str]) -> list[Fraction]:
    return [Fraction(token.replace(",", "")) for token in tokens if token[0].isdigit()]
