"""Checks the equations that a text writes, exactly."""

import re
from collections.abc import Iterator
from fractions import Fraction

from cogitate.strategies.verifiers.equations import EQUALS, LONGEST, runs

TOKEN_OF_EXPRESSION = re.compile(r"\d{1,15}|[-+*/()]")
POWER = {"+": 1, "-": 1, "*": 2, "/": 2, "^": 3}
LARGEST_EXPONENT = 32
LOOSEST = 20
"""A number that is rounded to tens, hundreds and so on is off by at most this part of it."""


class Unreadable(Exception):
    """Not an expression over plain numbers."""


def equations(text: str) -> Iterator[bool]:
    """For each equation over numbers that the text writes, whether it holds; a chain a = b = c is two."""
    for run in runs(text):
        sides, signs = _sides(run), [token for token in run if token in EQUALS]
        for left, right, sign in zip(sides, sides[1:], signs, strict=False):
            try:
                holds = _agree(left, sign, right)
            except (Unreadable, ZeroDivisionError):
                continue
            if len(left) > 1 or len(right) > 1:
                yield holds


def chains(text: str) -> Iterator[list[list[str]]]:
    """What stands between the equals signs of each equation or chain of them, as tokens."""
    return map(_sides, runs(text))


def expression(text: str) -> list[str]:
    """The tokens of a text that is an expression over plain numbers and nothing else. Raises Unreadable."""
    tokens = TOKEN_OF_EXPRESSION.findall(text)
    if len(tokens) > LONGEST or "".join(tokens) != "".join(text.split()):
        raise Unreadable
    return tokens


def evaluate(tokens: list[str]) -> Fraction:
    """The value of an expression of numbers, + - * / ^ % and parentheses. Raises Unreadable, ZeroDivisionError."""
    value, rest = _climb(tokens, 0, 0)
    if rest != len(tokens):
        raise Unreadable
    return value


def _climb(tokens: list[str], at: int, floor: int) -> tuple[Fraction, int]:
    """Precedence climbing. Depth is bounded by LONGEST."""
    value, at = _operand(tokens, at)
    while at < len(tokens) and (power := POWER.get(tokens[at], 0)) > floor:
        operator = tokens[at]
        other, at = _climb(tokens, at + 1, power - (operator == "^"))
        value = _apply(operator, value, other)
    return value, at


def _operand(tokens: list[str], at: int) -> tuple[Fraction, int]:
    if at >= len(tokens):
        raise Unreadable
    if tokens[at] == "-":
        value, at = _operand(tokens, at + 1)
        return -value, at
    if tokens[at] == "(":
        value, at = _climb(tokens, at + 1, 0)
        if at >= len(tokens) or tokens[at] != ")":
            raise Unreadable
        at += 1
    elif tokens[at][0].isdigit() or tokens[at][0] == ".":
        value, at = Fraction(tokens[at].replace(",", "")), at + 1
    else:
        raise Unreadable
    return (value / 100, at + 1) if at < len(tokens) and tokens[at] == "%" else (value, at)


def _apply(operator: str, a: Fraction, b: Fraction) -> Fraction:
    match operator:
        case "+":
            return a + b
        case "-":
            return a - b
        case "*":
            return a * b
        case "/":
            return a / b
    if b.denominator != 1 or abs(b) > LARGEST_EXPONENT or max(abs(a.numerator), a.denominator) > 10**9:
        raise Unreadable
    return Fraction(a ** int(b))


def _agree(left: list[str], sign: str, right: list[str]) -> bool:
    """The result may be rounded, and a number before a quotient. Raises Unreadable, ZeroDivisionError."""
    a, b = evaluate(left), evaluate(right)
    may = _tolerance(right, b, sign)
    if "/" in right or sign == "≈":
        may = max(may, _tolerance(left, a, sign))
    return abs(a - b) <= may


def _tolerance(side: list[str], value: Fraction, sign: str) -> Fraction:
    """How far a number may be off: by half of its last digit. An integer must be exact, but for ≈."""
    percent, number = side[-1:] == ["%"], side[:-1] if side[-1:] == ["%"] else side
    if len(number) != 1 and (len(number) != 2 or number[0] != "-"):
        return Fraction(0)
    _, point, decimals = number[-1].partition(".")
    if point:
        return Fraction(1, 2 * 10 ** len(decimals)) / (100 if percent else 1)
    if sign != "≈":
        return Fraction(0)
    zeros = len(number[-1]) - len(number[-1].rstrip("0"))
    return max(Fraction(1, 2), min(Fraction(10**zeros, 2), abs(value) / LOOSEST))


def _sides(run: list[str]) -> list[list[str]]:
    sides: list[list[str]] = [[]]
    for token in run:
        if token in EQUALS:
            sides.append([])
        else:
            sides[-1].append(token)
    sides[0] = sides[0][_open(sides[0]) :]
    sides[-1] = sides[-1][: len(sides[-1]) - _hanging(sides[-1])]
    return sides


def _open(side: list[str]) -> int:
    """How many brackets before an equation are the sentence's own, as in (3 + 4 = 7)."""
    unmatched, first = side.count("(") - side.count(")"), 0
    while first < unmatched and side[first] == "(":
        first += 1
    return first


def _hanging(side: list[str]) -> int:
    """How much at its end is none of an equation: the sentence's brackets, and signs with nothing behind them."""
    unmatched, kept = side.count(")") - side.count("("), len(side)
    while kept and (side[kept - 1] in ("(", *POWER) or (side[kept - 1] == ")" and unmatched > 0)):
        unmatched -= side[kept - 1] == ")"
        kept -= 1
    return len(side) - kept
