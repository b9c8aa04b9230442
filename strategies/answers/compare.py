"""Compares two typed values: each type by its own rule, and no other types.

The result is what remains to be proven: pairs of expressions that have the same value at some points, and may be equal
by algebra. None: they are different. An empty list: they are equal.

`is_loose` also takes pairs that may be either: an amount without its unit, a value without its name, a decimal for the
number that it rounds. One such pair alone may be taken as equal; a chain of them may not, since `3 hours` and
`3 minutes` are both loosely `3`.
"""

from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache

from cogitate.strategies.answers.evaluate import Profile, are_close, profile
from cogitate.strategies.answers.expression import Node, negate, number, to_node, variables, write
from cogitate.strategies.answers.reading import read_value
from cogitate.strategies.answers.relations import is_variable
from cogitate.strategies.answers.units import may_be_one
from cogitate.strategies.answers.values import (
    Amount,
    Based,
    Equation,
    Labelled,
    Matrix,
    Percentage,
    Scalar,
    Sequence,
    Text,
    Union,
    Value,
)

Pairs = list[tuple[str, str]]
"""Pairs of expressions, by their keys."""
MIN_ROUNDED_DIGITS = 6
"""Significant digits from which a decimal may stand for the number that it rounds."""
_MAX_EXPRESSION_CHARACTERS = 200
_MAX_GAP_AT_ZERO = 1e-12
"""What rounding leaves of a zero. Which of the two it is, algebra finds out."""


@lru_cache(maxsize=16_384)
def _compare_keys(a: str, b: str, is_loose: bool) -> Pairs | None:
    return [] if a == b else compare(read_value(a), read_value(b), is_loose=is_loose)


def compare_keys(a: str, b: str, *, is_loose: bool = False) -> Pairs | None:
    """What remains to be proven of two canonical forms; None where they are different."""
    return _compare_keys(min(a, b), max(a, b), is_loose)


def compare(a: Value, b: Value, *, is_loose: bool = False) -> Pairs | None:
    """What remains to be proven of two values; None where they are different."""
    if type(a) is type(b) and a.key == b.key:
        return []
    if type(a) is type(b) or (isinstance(a, Equation | Labelled) and isinstance(b, Equation | Labelled)):
        return _Comparison(is_loose).same_type(a, b)
    return _Comparison(True).other_type(a, b) if is_loose else None


@dataclass(frozen=True, slots=True)
class _Comparison:
    is_loose: bool

    def any(self, a: Value, b: Value) -> Pairs | None:
        return compare(a, b, is_loose=self.is_loose)

    def same_type(self, a: Value, b: Value) -> Pairs | None:  # noqa: C901 one case a type
        match a, b:
            case Scalar(), Scalar():
                return compare_nodes(a.node, b.node, is_loose=self.is_loose)
            case Percentage(), Percentage():
                return compare_nodes(a.node, b.node, is_loose=self.is_loose)
            case Amount(), Amount():
                return self.amounts(a, b)
            case Labelled(), Labelled():
                return self.compare_labels(a, b)
            case ((Equation() | Labelled()), (Equation() | Labelled())):
                return _compare_equations(a, b)
            case Sequence(), Sequence():
                return self.sequences(a, b)
            case Union(), Union():
                return self.pair_in_any_order(a.parts, b.parts)
            case Matrix(), Matrix():
                cells = [list(map(len, matrix.rows)) for matrix in (a, b)]
                flat = [tuple(cell for row in matrix.rows for cell in row) for matrix in (a, b)]
                return self.pair_in_order(*flat) if cells[0] == cells[1] else None
        return None

    def amounts(self, a: Amount, b: Amount) -> Pairs | None:
        if a.unit.name == b.unit.name or (self.is_loose and may_be_one(a.unit, b.unit)):
            return compare_nodes(a.node, b.node, is_loose=self.is_loose)
        if not a.unit.dimension or a.unit.dimension != b.unit.dimension:
            return None
        sizes = [profile(amount.node) for amount in (a, b)]
        values = [
            size.exact * amount.unit.factor
            for size, amount in zip(sizes, (a, b), strict=True)
            if size and size.exact is not None
        ]
        return [] if len(values) == 2 and values[0] == values[1] else None

    def compare_labels(self, a: Labelled, b: Labelled) -> Pairs | None:
        if a.label == b.label:
            return self.any(a.value, b.value)
        words = [len(label) > 3 and label.replace(" ", "").isalpha() for label in (a.label, b.label)]
        return self.any(a.value, b.value) if self.is_loose and any(words) else None

    def sequences(self, a: Sequence, b: Sequence) -> Pairs | None:
        if a.brackets == b.brackets:
            return (
                self.pair_in_order(a.items, b.items)
                if a.brackets not in ("", "{}")
                else self.pair_in_any_order(a.items, b.items)
            )
        kinds = {a.brackets, b.brackets}
        if not self.is_loose or "" not in kinds:
            return None
        if "()" in kinds:
            return self.pair_in_order(a.items, b.items)
        return self.pair_in_any_order(a.items, b.items) if kinds & {"[]", "{}"} else None

    def pair_in_order(self, a: tuple[Value, ...], b: tuple[Value, ...]) -> Pairs | None:
        if len(a) != len(b):
            return None
        pairs: Pairs = []
        for one, other in zip(a, b, strict=True):
            if (found := self.any(one, other)) is None:
                return None
            pairs += found
        return pairs

    def pair_in_any_order(self, a: tuple[Value, ...], b: tuple[Value, ...]) -> Pairs | None:
        if len(a) != len(b):
            return None
        left, pairs = list(b), Pairs()
        for one in a:
            matches = [(other, found) for other in left if (found := self.any(one, other)) is not None]
            if not matches:
                return None
            other, found = min(matches, key=lambda match: len(match[1]))
            left.remove(other)
            pairs += found
        return pairs

    def other_type(self, a: Value, b: Value) -> Pairs | None:
        return self.bare(a, b) if (found := self.bare(b, a)) is None else found

    def bare(self, dressed: Value, bare: Value) -> Pairs | None:  # noqa: C901 one case a type
        """Compare a value with a unit, a name or a base with one without."""
        match dressed, bare:
            case Amount(), Scalar():
                body = _without_letter(bare.node, dressed.unit.name)
                return compare_nodes(dressed.node, body, is_loose=True)
            case Labelled(), _:
                return self.any(dressed.value, bare)
            case Equation(sign="="), Scalar() if all(part.op in ("var", "add", "mul") for part in dressed.left.walk()):
                return compare_nodes(dressed.right, bare.node, is_loose=True)
            case Based(), Scalar() if dressed.digits.isdecimal():
                return compare_nodes(bare.node, Node("num", dressed.digits))
            case Based(), Scalar():
                return [] if bare.key == dressed.digits else None
            case Based(), Text():
                return [] if bare.key.upper() == dressed.digits else None
            case Matrix(), Sequence(brackets="[]"):
                return self.pair_in_order(tuple(Sequence("[]", row) for row in dressed.rows), bare.items)
            case Sequence(), Scalar() if dressed.brackets in ("[]", "{}") and len(dressed.items) == 1:
                return self.any(dressed.items[0], bare)
        return None


def _without_letter(node: Node, letter: str) -> Node:
    """The number of `5m`, where the letter may be the unit."""
    if node.op == "mul" and len(node.args) == 2 and node.args[1] == Node("var", letter):
        return node.args[0]
    return node


def compare_nodes(a: Node, b: Node, *, is_loose: bool = False) -> Pairs | None:
    """What remains to be proven of two expressions: nothing, they themselves, or that they are different (None)."""
    if a == b:
        return []
    x, y = profile(a), profile(b)
    if x is None or y is None or variables(a) != variables(b):
        return None
    if x.exact is not None and y.exact is not None:
        return [] if x.exact == y.exact or (is_loose and _rounds(a, b, x, y)) else None
    if _decimals(a) or _decimals(b):
        return [] if is_loose and _rounds(a, b, x, y) else None
    close = all(are_close(u, v) or abs(u - v) < _MAX_GAP_AT_ZERO for u, v in zip(x.values, y.values, strict=True))
    keys = write(a), write(b)
    return [keys] if close and max(map(len, keys)) <= _MAX_EXPRESSION_CHARACTERS else None


def _decimals(node: Node) -> int:
    """The decimals of a literal with enough digits to stand for another number; 0 for any other expression."""
    literal = node.args[0] if node.op == "neg" else node
    integer, _, decimals = literal.name.partition(".") if literal.op == "num" else ("", "", "")
    return len(decimals) if len((integer + decimals).lstrip("0")) >= MIN_ROUNDED_DIGITS else 0


def _rounds(a: Node, b: Node, x: Profile, y: Profile) -> bool:
    """Whether one is a decimal that the other, which is none, rounds to, or that ends as a float does."""
    if bool(_decimals(a)) == bool(_decimals(b)):
        return False
    places = _decimals(a) or _decimals(b)
    one, other = x.values[0], y.values[0]
    exact = x.exact is not None and y.exact is not None
    gap = abs(x.exact - y.exact) if exact and x.exact is not None and y.exact is not None else abs(one - other)
    if gap <= Fraction(1001, 2000) / 10 ** min(places, 300):
        return True
    return places > 12 and bool(abs(one - other) <= 4e-15 * max(abs(one), abs(other)))


def _compare_equations(a: Value, b: Value) -> Pairs | None:
    """Equal where one side less the other is the same times a number; for inequalities a positive one."""
    f, g = _to_zero(a), _to_zero(b)
    if f is None or g is None or _sign(a) != _sign(b) or variables(f) != variables(g):
        return None
    x, y = profile(f), profile(g)
    if x is None or y is None or not all(map(abs, y.values)) or not all(map(abs, x.values)):
        return None
    ratio = x.values[0] / y.values[0]
    factor = Fraction(ratio.real).limit_denominator(10_000)
    if factor == 0 or not are_close(complex(factor), ratio) or (_sign(a) != "=" and factor < 0):
        return None
    if not all(are_close(one, complex(factor) * other) for one, other in zip(x.values, y.values, strict=True)):
        return None
    scaled = Node("mul", args=(to_node(abs(factor)), g))
    return [(write(f), write(scaled if factor > 0 else negate(scaled)))]


def _sign(value: Value) -> str:
    return value.sign if isinstance(value, Equation) else "="


def _to_zero(value: Value) -> Node | None:
    """The expression that the equation says is zero."""
    if isinstance(value, Equation):
        left, right = value.left, value.right
    elif isinstance(value, Labelled) and isinstance(value.value, Scalar) and is_variable(value.label):
        left, right = Node("var", value.label), value.value.node
    else:
        return None
    return Node("add", args=(left, negate(right))) if right != number("0") else left
