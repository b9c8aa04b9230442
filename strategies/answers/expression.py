"""Mathematical expressions as trees, and the text by which a tree is written again."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache

FUNCTIONS = frozenset(
    ("sin", "cos", "tan", "cot", "sec", "csc", "arcsin", "arccos", "arctan", "sinh", "cosh", "tanh", "ln", "log", "exp")
    + ("abs", "floor", "ceil", "factorial", "binom", "sqrt", "root")
)
"""Functions of a tree. `log` has no base; with a base it has two arguments, the base first, as `root` its degree."""


_WORDS = frozenset(("pi", "ln", "lg", "oo", "inf", "sin", "cos", "tan"))
_PRODUCTS = re.compile("[xyz]{2,4}|[abc]{2,4}|abcd|[mn]{2}|[pq]{2}")
_CONSONANTS = re.compile("[b-df-hj-np-tv-zB-DF-HJ-NP-TV-Z]{3,4}")
_LAST_LETTERS = re.compile("[A-Za-z]*$")
_FIRST_LETTERS = re.compile("[A-Za-z]*")


def is_product(word: str) -> bool:
    """Whether letters that stand alone are a product, as `xy` is, and no word."""
    return bool(_PRODUCTS.fullmatch(word))


def is_run(word: str) -> bool:
    """Whether letters within an expression are a product: two, or a few that are no syllable, as `mgh` and `GMm`."""
    return word not in _WORDS and (len(word) <= 2 or bool(_CONSONANTS.fullmatch(word)) or is_product(word))


@dataclass(frozen=True, slots=True)
class Node:
    """An operation on its arguments, or a leaf: `num`, `var`, `const`; `name` is its digits, letter or function."""

    op: str
    name: str = ""
    args: tuple["Node", ...] = ()

    @property
    def is_integer(self) -> bool:
        return self.op == "num" and self.name.isdecimal()

    def walk(self) -> Iterator["Node"]:
        """Yield the node and all nodes below it."""
        yield self
        for node in self.args:
            yield from node.walk()


def number(digits: str) -> Node:
    """A non-negative decimal literal."""
    return Node("num", digits)


def negate(node: Node) -> Node:
    """Minus the node; two signs cancel."""
    if node.op == "neg":
        return node.args[0]
    return node if node == Node("num", "0") else Node("neg", args=(node,))


def divide(top: Node, bottom: Node) -> Node:
    """The quotient, with the signs before it."""
    if top.op == "neg":
        return negate(divide(top.args[0], bottom))
    if bottom.op == "neg":
        return negate(divide(top, bottom.args[0]))
    return Node("div", args=(top, bottom))


def multiply(a: Node, b: Node) -> Node:
    """The product, with its sign before it and without inner products."""
    if a.op == "neg":
        return negate(multiply(a.args[0], b))
    if b.op == "neg":
        return negate(multiply(a, b.args[0]))
    return Node("mul", args=(*(a.args if a.op == "mul" else (a,)), *(b.args if b.op == "mul" else (b,))))


def to_node(value: Fraction) -> Node:
    """An exact value as a tree."""
    size = number(str(abs(value.numerator)))
    size = size if value.denominator == 1 else divide(size, number(str(value.denominator)))
    return negate(size) if value < 0 else size


def variables(node: Node) -> frozenset[str]:
    """The names of the variables."""
    return frozenset(part.name for part in node.walk() if part.op == "var")


@lru_cache(maxsize=4096)
def write(node: Node) -> str:
    """The tree in LaTeX; reading it again gives the same tree."""
    return _WRITERS[node.op](node)


def _write_product(node: Node) -> str:
    text = ""
    before: Node | None = None
    for at, factor in enumerate(node.args):
        part = write(factor)
        if factor.op in ("add", "neg") or (factor.op == "mul" and at):
            part = f"({part})"
        text += (_joint(before, factor, text, part) if before else "") + part
        before = factor
    return text if len(text) < 2 or not text.isalpha() or is_product(text) else r"\cdot ".join(text)


def _joint(before: Node, factor: Node, text: str, part: str) -> str:
    mixed = before.is_integer and factor.op == "div"
    named = before.op == "var" and before.name in "fghFGHP" and part.startswith("(")
    if part[0].isdigit() or mixed or named or part.startswith("\\binom") or part.startswith("|") or text.endswith("!"):
        return r"\cdot "
    command = text.rpartition("\\")[2] if "\\" in text else "1"
    if command.isalpha() and part[0].isalpha():
        return " "
    run = _LAST_LETTERS.search(text)[0] + _FIRST_LETTERS.match(part)[0]  # type: ignore[index]
    return r"\cdot " if part[0].isalpha() and len(run) > 1 and not is_run(run) else ""


def _write_sum(node: Node) -> str:
    text = write(node.args[0])
    for term in node.args[1:]:
        part = write(term)
        text += part if part.startswith("-") else f"+{part}" if term.op != "add" else f"+({part})"
    return text


def _write_negative(node: Node) -> str:
    inner = write(node.args[0])
    return f"-({inner})" if node.args[0].op in ("add", "neg") else f"-{inner}"


def _write_power(node: Node) -> str:
    base, exponent = write(node.args[0]), write(node.args[1])
    plain = node.args[0].op in ("num", "var", "const") or (node.args[0].op == "fn" and node.args[0].name == "sqrt")
    return f"{base if plain else f'({base})'}^{exponent if len(exponent) == 1 else f'{{{exponent}}}'}"


def _write_function(node: Node) -> str:
    parts = [write(part) for part in node.args]
    match node.name:
        case "sqrt":
            return rf"\sqrt{{{parts[0]}}}"
        case "root":
            return rf"\sqrt[{parts[0]}]{{{parts[1]}}}"
        case "binom":
            return rf"\binom{{{parts[0]}}}{{{parts[1]}}}"
        case "abs":
            return f"|{parts[0]}|"
        case "floor" | "ceil":
            return rf"\l{node.name} {parts[0]}\r{node.name}"
        case "factorial":
            plain = node.args[0].op in ("num", "var")
            return f"{parts[0]}!" if plain else f"({parts[0]})!"
        case "log" if len(parts) == 2:
            return rf"\log_{{{parts[0]}}}({parts[1]})"
    return rf"\{node.name}({parts[0]})"


_WRITERS: dict[str, Callable[[Node], str]] = {
    "num": lambda node: node.name,
    "var": lambda node: node.name,
    "const": lambda node: {"pi": r"\pi", "inf": r"\infty"}.get(node.name, node.name),
    "add": _write_sum,
    "mul": _write_product,
    "neg": _write_negative,
    "div": lambda node: rf"\frac{{{write(node.args[0])}}}{{{write(node.args[1])}}}",
    "mixed": lambda node: rf"{write(node.args[0])}\frac{{{write(node.args[1])}}}{{{write(node.args[2])}}}",
    "pow": _write_power,
    "fn": _write_function,
}
