"""Evaluates the equations in a text exactly, over fractions."""

import re
from collections.abc import Iterator
from fractions import Fraction

from cogitate.strategies.verifiers.equations import EQUALS, MAX_EQUATION_TOKENS, find_equations

TOKEN_OF_EXPRESSION = re.compile(r"\d{1,15}|[-+*/()]")
PRECEDENCE = {"+": 1, "-": 1, "*": 2, "/": 2, "^": 3}
MAX_EXPONENT = 32
MAX_ROUNDING_ERROR = Fraction(1, 20)
"""A number rounded to tens, hundreds and so on may be off by at most this share of its value."""


class NotAnExpression(Exception):
    """The tokens are not an expression over plain numbers."""


def check_equations(text: str) -> Iterator[bool]:
    """Yield, for each equation over numbers in the text, whether it holds; a chain a = b = c is two equations."""
    for tokens in find_equations(text):
        sides, relations = _sides(tokens), [token for token in tokens if token in EQUALS]
        for left, right, relation in zip(sides, sides[1:], relations, strict=False):
            try:
                holds = _sides_agree(left, relation, right)
            except (NotAnExpression, ZeroDivisionError):
                continue
            if len(left) > 1 or len(right) > 1:
                yield holds


def equation_chains(text: str) -> Iterator[list[list[str]]]:
    """The sides of each equation or chain of equations in the text, as lists of tokens."""
    return map(_sides, find_equations(text))


def tokenize_expression(text: str) -> list[str]:
    """Split a text that is nothing but an expression over plain numbers into tokens. Raises NotAnExpression."""
    tokens = TOKEN_OF_EXPRESSION.findall(text)
    if len(tokens) > MAX_EQUATION_TOKENS or "".join(tokens) != "".join(text.split()):
        raise NotAnExpression
    return tokens


def evaluate(tokens: list[str]) -> Fraction:
    """The value of an expression of numbers, + - * / ^ % and parentheses.

    Raises NotAnExpression and ZeroDivisionError.
    """
    value, rest = _climb(tokens, 0, 0)
    if rest != len(tokens):
        raise NotAnExpression
    return value


def _climb(tokens: list[str], at: int, min_precedence: int) -> tuple[Fraction, int]:
    """Precedence climbing from `at`; returns the value and the next position.

    Its depth is bounded by MAX_EQUATION_TOKENS.
    """
    value, at = _operand(tokens, at)
    while at < len(tokens) and (precedence := PRECEDENCE.get(tokens[at], 0)) > min_precedence:
        operator = tokens[at]
        other, at = _climb(tokens, at + 1, precedence - (operator == "^"))
        value = _apply(operator, value, other)
    return value, at


def _operand(tokens: list[str], at: int) -> tuple[Fraction, int]:
    if at >= len(tokens):
        raise NotAnExpression
    if tokens[at] == "-":
        value, at = _operand(tokens, at + 1)
        return -value, at
    if tokens[at] == "(":
        value, at = _climb(tokens, at + 1, 0)
        if at >= len(tokens) or tokens[at] != ")":
            raise NotAnExpression
        at += 1
    elif tokens[at][0].isdigit() or tokens[at][0] == ".":
        value, at = Fraction(tokens[at].replace(",", "")), at + 1
    else:
        raise NotAnExpression
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
    if b.denominator != 1 or abs(b) > MAX_EXPONENT or max(abs(a.numerator), a.denominator) > 10**9:
        raise NotAnExpression
    return Fraction(a ** int(b))


def _sides_agree(left: list[str], relation: str, right: list[str]) -> bool:
    """Whether two sides are equal, where the result, and a number on the other side of a quotient, may be rounded.

    Raises NotAnExpression and ZeroDivisionError.
    """
    a, b = evaluate(left), evaluate(right)
    tolerance = _tolerance(right, b, relation)
    if "/" in right or relation == "≈":
        tolerance = max(tolerance, _tolerance(left, a, relation))
    return abs(a - b) <= tolerance


def _tolerance(side: list[str], value: Fraction, relation: str) -> Fraction:
    """The allowed error of a rounded number: half a unit of its last digit. Integers must be exact, except after ≈."""
    percent, number = side[-1:] == ["%"], side[:-1] if side[-1:] == ["%"] else side
    if len(number) != 1 and (len(number) != 2 or number[0] != "-"):
        return Fraction(0)
    _, point, decimals = number[-1].partition(".")
    if point:
        return Fraction(1, 2 * 10 ** len(decimals)) / (100 if percent else 1)
    if relation != "≈":
        return Fraction(0)
    zeros = len(number[-1]) - len(number[-1].rstrip("0"))
    return max(Fraction(1, 2), min(Fraction(10**zeros, 2), abs(value) * MAX_ROUNDING_ERROR))


def _sides(tokens: list[str]) -> list[list[str]]:
    sides: list[list[str]] = [[]]
    for token in tokens:
        if token in EQUALS:
            sides.append([])
        else:
            sides[-1].append(token)
    sides[0] = sides[0][_leading_brackets(sides[0]) :]
    sides[-1] = sides[-1][: len(sides[-1]) - _trailing_tokens(sides[-1])]
    return sides


def _leading_brackets(side: list[str]) -> int:
    """The number of brackets before an equation that belong to the sentence, as in (3 + 4 = 7)."""
    unmatched, first = side.count("(") - side.count(")"), 0
    while first < unmatched and side[first] == "(":
        first += 1
    return first


def _trailing_tokens(side: list[str]) -> int:
    """The number of tokens after an equation that do not belong to it.

    These are the sentence's brackets, and operators without an operand.
    """
    unmatched, end = side.count(")") - side.count("("), len(side)
    while end and (side[end - 1] in ("(", *PRECEDENCE) or (side[end - 1] == ")" and unmatched > 0)):
        unmatched -= side[end - 1] == ")"
        end -= 1
    return len(side) - end
