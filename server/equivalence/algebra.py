"""Proves by sympy that two expressions are equal, as trees that the answers' own parser has read.

No other parser reads the texts: what it did not consume, or read otherwise, could not be told from a proof. That sympy
takes a tree as `evaluate.py` does is checked by its value at the points of that module.
"""

import operator
from collections.abc import Callable
from functools import lru_cache

import sympy

from cogitate.strategies.answers.evaluate import POINTS, are_close, point, profile
from cogitate.strategies.answers.expression import Node, variables

_CONSTANTS = {"pi": sympy.pi, "e": sympy.E, "i": sympy.I, "inf": sympy.oo}
_X = sympy.Symbol("x")
_LOG_UNIT = sympy.Symbol("unknown_base", positive=True)
_FUNCTIONS: dict[str, Callable[..., sympy.Basic]] = {
    "sin": sympy.sin, "cos": sympy.cos, "tan": sympy.tan, "cot": sympy.cot, "sec": sympy.sec, "csc": sympy.csc,
    "arcsin": sympy.asin, "arccos": sympy.acos, "arctan": sympy.atan, "sinh": sympy.sinh, "cosh": sympy.cosh,
    "tanh": sympy.tanh, "ln": sympy.log, "abs": sympy.Abs, "floor": sympy.floor, "ceil": sympy.ceiling,
    "factorial": sympy.factorial, "binom": sympy.binomial, "sqrt": sympy.sqrt,
    "root": lambda degree, x: sympy.real_root(x, degree) if x.is_real else sympy.root(x, degree),
}  # fmt: skip
_OPERATIONS: dict[str, Callable[..., sympy.Expr]] = {
    "neg": operator.neg,
    "add": sympy.Add,
    "mul": sympy.Mul,
    "div": operator.truediv,
    "mixed": lambda integer, top, bottom: integer + top / bottom,
    "pow": operator.pow,
}
_SIMPLIFIERS: tuple[Callable[[sympy.Expr], sympy.Expr], ...] = (
    sympy.expand,
    sympy.cancel,
    lambda d: sympy.expand(sympy.expand_log(sympy.expand_trig(d), force=False)),
    lambda d: sympy.sqrtdenest(sympy.radsimp(d)),
    sympy.simplify,
    lambda d: sympy.simplify(d.rewrite(sympy.exp)),
)


def are_proven_equal(a: Node, b: Node) -> bool:
    """Whether algebra shows that two expressions are equal. Raises what sympy raises."""
    for is_real in (False, True):
        x, y = to_sympy(a, is_real), to_sympy(b, is_real)
        if not (_agrees(a, x) and _agrees(b, y)):
            return False
        if is_zero(x - y):
            return True
        if not variables(a):
            break
    return False


def is_zero(difference: sympy.Expr) -> bool:
    """Whether some rewriting of the expression is zero."""
    if difference == 0:
        return True
    if difference.is_number and difference.is_algebraic and difference.count_ops() < 60:
        return bool(sympy.minimal_polynomial(difference, _X) == _X)
    return any(simplify(difference) == 0 for simplify in _SIMPLIFIERS)


@lru_cache(maxsize=512)
def to_sympy(node: Node, is_real: bool = False) -> sympy.Expr:
    """The tree as sympy's expression; `is_real`: with real variables."""
    if node.op == "num":
        return sympy.Rational(node.name)
    if node.op == "const":
        return _CONSTANTS[node.name]
    if node.op == "var":
        return sympy.Symbol(node.name, real=True) if is_real else sympy.Symbol(node.name)
    args = [to_sympy(part, is_real) for part in node.args]
    if node.op in _OPERATIONS:
        return _OPERATIONS[node.op](*args)
    if node.name == "log":
        return sympy.log(args[1]) / sympy.log(args[0]) if len(args) == 2 else _LOG_UNIT * sympy.log(args[0])
    return _FUNCTIONS[node.name](*args)


def _agrees(node: Node, expression: sympy.Expr) -> bool:
    """Whether sympy's value at each point is ours."""
    ours = profile(node)
    if ours is None:
        return False
    names = variables(node)
    symbols = {symbol.name: symbol for symbol in expression.free_symbols}
    for at in range(POINTS if names else 1):
        values = {symbols[name]: sympy.Float(point(name, at), 20) for name in names if name in symbols}
        values[_LOG_UNIT] = sympy.Float("0.8390715290764524", 20)
        value = expression.subs(values).evalf(20)
        if ours.exact is not None:
            return bool(value.is_Rational or value.is_Float) and bool(
                sympy.Abs(value - sympy.Rational(ours.exact.numerator, ours.exact.denominator))
                <= sympy.Float("1e-12") * max(1, abs(value))
            )
        number = complex(value)
        if not are_close(number, ours.values[at]) and abs(number - ours.values[at]) > 1e-12:
            return False
    return True
