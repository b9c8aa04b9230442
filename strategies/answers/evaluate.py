"""Values of an expression: exact where it is rational, else complex floats at a few fixed points. Never raises."""

import cmath
import math
import operator
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from functools import lru_cache
from typing import Any

from cogitate.strategies.answers.expression import Node, variables

POINTS = 5
"""Values of the variables at which two expressions are compared."""
MAX_BITS = 20_000
"""Larger exact numbers are not computed."""
_MAX_RELATIVE_ERROR = 1e-9
LOG_UNIT = 0.8390715290764524
"""`log` without a base may be of any base: this many natural logarithms, which is none of the usual ones."""

Value = Fraction | complex
_FLOATS: dict[str, Callable[[complex], complex]] = {
    "sin": cmath.sin, "cos": cmath.cos, "tan": cmath.tan, "arcsin": cmath.asin, "arccos": cmath.acos,
    "arctan": cmath.atan, "sinh": cmath.sinh, "cosh": cmath.cosh, "tanh": cmath.tanh, "ln": cmath.log,
    "cot": lambda z: 1 / cmath.tan(z), "sec": lambda z: 1 / cmath.cos(z), "csc": lambda z: 1 / cmath.sin(z),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Profile:
    """What an expression's value is: exactly, where it is rational, or at all points."""

    exact: Fraction | None
    values: tuple[complex, ...]


def point(name: str, at: int) -> float:
    """The value of a variable at one of the points: small, of both signs, and by its name alone."""
    seed = zlib.crc32(f"{name} {at}".encode())
    return round((seed % 99_991) / 99_991 * 2.3 + 0.31, 6) * (-1 if at == 2 or (at == 4 and seed & 1) else 1)


@lru_cache(maxsize=8192)
def profile(node: Node) -> Profile | None:
    """The values of an expression; None where one cannot be computed."""
    names = variables(node)
    values: list[complex] = []
    try:
        for at in range(POINTS if names else 1):
            value = evaluate(node, {name: complex(point(name, at)) for name in names})
            if isinstance(value, Fraction) and not names:
                return Profile(value, (to_complex(value),))
            number = to_complex(value)
            if not (math.isfinite(number.real) and math.isfinite(number.imag)):
                return None
            values.append(number)
    except (ArithmeticError, ValueError, RecursionError):
        return None
    return Profile(None, tuple(values))


def to_complex(value: Value) -> complex:
    """A float; infinite where it is too large for one."""
    try:
        return complex(value)
    except OverflowError:
        return complex(math.inf)


def are_close(a: complex, b: complex) -> bool:
    """Whether two floats differ by no more than rounding does."""
    return abs(a - b) <= _MAX_RELATIVE_ERROR * max(abs(a), abs(b), 1e-300)


def evaluate(node: Node, point: dict[str, complex]) -> Value:
    """The value where the variables have the given values. Raises ArithmeticError, ValueError."""
    if not node.args:
        return _evaluate_leaf(node, point)
    args = [evaluate(part, point) for part in node.args]
    return _OPERATIONS[node.op](args) if node.op in _OPERATIONS else _apply(node.name, args)


def _evaluate_leaf(node: Node, point: dict[str, complex]) -> Value:
    if node.op == "num":
        return Fraction(Decimal(node.name)) if len(node.name) < MAX_BITS // 4 else _refuse()
    return point[node.name] if node.op == "var" else _CONSTANTS[node.name]


def _refuse() -> Value:
    raise ValueError("too large")


def _fold(args: list[Value], combine: Callable[[Any, Any], Any]) -> Value:
    total = args[0]
    for value in args[1:]:
        both = isinstance(total, Fraction) and isinstance(value, Fraction)
        total = combine(total, value) if both else combine(complex(total), complex(value))
        if isinstance(total, Fraction) and _bits(total) > MAX_BITS:
            return _refuse()
    return total


def _bits(value: Fraction) -> int:
    return max(value.numerator.bit_length(), value.denominator.bit_length())


def _power(base: Value, exponent: Value) -> Value:
    if isinstance(base, Fraction) and isinstance(exponent, Fraction):
        if exponent.denominator == 1:
            if abs(exponent) * max(_bits(base), 1) > MAX_BITS:
                return _refuse()
            return base**exponent.numerator
        if exponent.denominator <= 12 and base >= 0 and (root := exact_root(base, exponent.denominator)) is not None:
            return _power(root, Fraction(exponent.numerator))
    return cmath.exp(complex(exponent) * cmath.log(complex(base))) if base else complex(0 if exponent else 1)


def exact_root(value: Fraction, degree: int) -> Fraction | None:
    """The rational root of a non-negative number; None where it is not rational."""
    if degree == 2:
        top, bottom = math.isqrt(value.numerator), math.isqrt(value.denominator)
    elif _bits(value) < 900:
        top, bottom = round(value.numerator ** (1 / degree)), round(value.denominator ** (1 / degree))
    else:
        return None
    return Fraction(top, bottom) if Fraction(top, bottom) ** degree == value else None


def _apply(name: str, args: list[Value]) -> Value:
    if name in ("sqrt", "root"):
        degree = Fraction(2) if name == "sqrt" else args[0]
        if not isinstance(degree, Fraction) or degree.denominator != 1 or not 0 < degree < 100:
            return _refuse()
        return _root(args[-1], degree.numerator)
    if name in ("factorial", "binom", "floor", "ceil"):
        return _apply_to_rationals(name, [arg for arg in args if isinstance(arg, Fraction)])
    if name == "abs":
        return abs(args[0]) if isinstance(args[0], Fraction) else complex(abs(args[0]))
    if name == "log":
        top = cmath.log(complex(args[-1]))
        return top / cmath.log(complex(args[0])) if len(args) == 2 else LOG_UNIT * top
    return _FLOATS[name](complex(args[0]))


def _root(value: Value, degree: int) -> Value:
    if isinstance(value, Fraction):
        negative = value < 0 and degree % 2 == 1
        exact = exact_root(abs(value), degree) if value >= 0 or negative else None
        if exact is not None:
            return -exact if negative else exact
        if negative:  # the real root, as schools have it
            return -_power(-value, Fraction(1, degree))
    return cmath.sqrt(complex(value)) if degree == 2 else _power(complex(value), Fraction(1, degree))


def _apply_to_rationals(name: str, args: list[Fraction]) -> Value:
    if len(args) != (2 if name == "binom" else 1):
        return _refuse()
    if name in ("floor", "ceil"):
        return Fraction(math.floor(args[0]) if name == "floor" else math.ceil(args[0]))
    if any(arg.denominator != 1 or not 0 <= arg <= 2_000 for arg in args):
        return _refuse()
    return Fraction(math.factorial(int(args[0])) if name == "factorial" else math.comb(*map(int, args)))


_CONSTANTS = {"pi": complex(math.pi), "e": complex(math.e), "i": 1j, "inf": complex(math.inf)}
_OPERATIONS: dict[str, Callable[[list[Value]], Value]] = {
    "neg": lambda args: -args[0],
    "add": lambda args: _fold(args, operator.add),
    "mul": lambda args: _fold(args, operator.mul),
    "div": lambda args: _fold(args, operator.truediv),
    "mixed": lambda args: _fold([args[0], _fold(args[1:], operator.truediv)], operator.add),
    "pow": lambda args: _power(args[0], args[1]),
}
