"""Reads the equations that a person would see in a line of prose, and checks them exactly. Linear in the text."""

import re
from collections.abc import Iterator
from fractions import Fraction

TOKEN = re.compile(
    r"(?P<number>(?:\d{1,3}(?:,\d{3})+|\d{1,15})(?:\.\d{1,15})?|\.\d{1,15})|(?P<op>\*\*|[-+*/^()×÷·−–])|(?P<equals>[=≈])"
    r"|(?P<percent>%)|(?P<word>[A-Za-z]+)|(?P<other>[^\s$€£\\])"
)
TOKEN_OF_EXPRESSION = re.compile(r"\d{1,15}|[-+*/()]")
OPERATORS = {"×": "*", "·": "*", "÷": "/", "−": "-", "–": "-", "**": "^"}
POWER = {"+": 1, "-": 1, "*": 2, "/": 2, "^": 3}
LONGEST = 60
"""Tokens in one equation. Longer ones are not read."""
LARGEST_EXPONENT = 32


class Unreadable(Exception):
    """Not an expression over plain numbers."""


def equations(text: str) -> Iterator[bool]:
    """For each equation over numbers that the text writes, whether it holds; a chain a = b = c is two."""
    for sides in chains(text):
        for left, right in zip(sides, sides[1:], strict=False):
            try:
                a, b = evaluate(left), evaluate(right)
            except (Unreadable, ZeroDivisionError):
                continue
            if len(left) > 1 or len(right) > 1:
                yield abs(a - b) <= _tolerance(right)


def chains(text: str) -> Iterator[list[list[str]]]:
    """What stands between the equals signs of each equation or chain of them, as tokens."""
    return map(_sides, _runs(text))


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


def _tolerance(side: list[str]) -> Fraction:
    """A result written with decimals may be rounded to them; an integer must be exact."""
    if len(side) != 1 or "." not in side[0]:
        return Fraction(0)
    return Fraction(1, 2 * 10 ** len(side[0].split(".")[1]))


def _runs(text: str) -> Iterator[list[str]]:
    """The stretches of numbers and operators. One word right behind a number is its unit and is skipped."""
    run: list[str] = []
    for token in TOKEN.finditer(text):
        kind, written = token.lastgroup, token.group()
        after_number = bool(run) and (run[-1][-1].isdigit() or run[-1] in "%)")
        if kind == "word":
            word = _word(written, run, after_number)
            if word is None:
                yield from _equation(run)
                run = []
            elif word:
                run.append(word)
        elif kind == "other" or (after_number and kind == "number"):
            yield from _equation(run)
            run = [written] if kind == "number" else []
        else:
            run.append(OPERATORS.get(written, "=" if kind == "equals" else written))
    yield from _equation(run)


def _word(word: str, run: list[str], after_number: bool) -> str | None:
    """What a word means inside an equation: times, nothing (a unit), or None, its end."""
    if after_number and word == "x" or run[-1:] == ["%"] and word == "of":
        return "*"
    return "" if after_number else None


def _equation(run: list[str]) -> Iterator[list[str]]:
    if "=" in run and len(run) <= LONGEST:
        yield run


def _sides(run: list[str]) -> list[list[str]]:
    sides: list[list[str]] = [[]]
    for token in run:
        if token == "=":
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
