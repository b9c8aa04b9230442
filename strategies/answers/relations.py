"""Reads equations and inequalities: a named value, `x=3`; an interval, `1<x<2`; or two expressions with a sign."""

import re
from collections.abc import Callable
from collections.abc import Sequence as Items
from typing import Literal

from cogitate.strategies.answers.evaluate import are_close, profile
from cogitate.strategies.answers.expression import Node, negate, variables
from cogitate.strategies.answers.expression_parser import parse_expression
from cogitate.strategies.answers.structure import RELATIONS, split_at
from cogitate.strategies.answers.values import (
    BRACKETS,
    Amount,
    Equation,
    Labelled,
    Scalar,
    Sequence,
    Text,
    Union,
    Value,
    Written,
)

Read = Callable[[str], Value]
_NAME = re.compile(
    r"(?:[A-Za-z]|\\(?:alpha|beta|gamma|delta|theta|phi|omega|lambda|mu|sigma|rho|ell|Delta|Omega|Phi))(?:_\w|_\{\w+\})?'*"
)
_LONG_NAME = re.compile(
    r"[A-Za-z](?:_\w)?'*\([^()=]{1,30}\)|\\angle ?[A-Z]{1,3}|\|?[A-Z]{2}\|?|\([a-zA-Z](?:, ?[a-zA-Z])+\)"
)
_WORDS = re.compile(r"[A-Za-z][A-Za-z ]{1,40}")
_FLIPPED = {">": "<", r"\ge": r"\le"}
_INFINITY = Node("const", "inf")


def read_relation(text: str, read: Read) -> Value | None:
    """The value of a text with relation signs; None where it has none."""
    split = split_at(text, RELATIONS)
    if split is None or not split[1]:
        return None
    sides, signs = split
    if not all(sides):
        return Text(" ".join(text.split()))
    unreadable = Text("".join(part for pair in zip(sides, [*signs, ""], strict=True) for part in pair))
    if signs == [r"\in"]:
        return _label(sides[0], read(sides[1])) or unreadable
    if set(signs) == {"="}:
        return _read_equation(sides, read) or unreadable
    if set(signs) == {r"\ne"}:
        return Written(r"\ne ".join(sides))
    return _read_inequality(sides, signs) or unreadable


def is_variable(label: str) -> bool:
    """Whether a name is one letter, with or without an index."""
    return bool(_NAME.fullmatch(label))


def _label(name: str, value: Value) -> Value | None:
    """The value under its name; words that only announce it are dropped."""
    if _NAME.fullmatch(name) or _LONG_NAME.fullmatch(name):
        label = re.sub(r"\s+", "", name).replace(",", ", ")
        return value if isinstance(value, Labelled) else Labelled(label, value)
    if _WORDS.fullmatch(name):
        words = " ".join(name.split()).casefold()
        return value if "answer" in words or isinstance(value, Labelled) else Labelled(words, value)
    return None


def _read_equation(sides: list[str], read: Read) -> Value | None:
    name, last = sides[0], read(sides[-1])
    nodes = [parse_expression(side) for side in sides]
    named = (
        bool(_NAME.fullmatch(name) or _LONG_NAME.fullmatch(name)) or nodes[0] is None and bool(_WORDS.fullmatch(name))
    )
    if len(sides) > 2 and not _are_all_equal(nodes[1:] if named else nodes):
        return None
    right = nodes[-1]
    if named and not _depends(name, right):
        return _label(name, last)
    left = nodes[0]
    if left is None or (right is None and variables(left)):
        return None
    if not variables(left) and (right is None or not variables(right)):
        # A calculation with its result, `9 + 9 = 18`; not one that is false.
        node = last.node if isinstance(last, Scalar | Amount) else None
        return last if node and _are_all_equal([left, node]) else None
    return Equation(left, "=", right) if right else None


def _depends(name: str, right: Node | None) -> bool:
    """Whether the name and the right side make a line or a curve, and not a value under its name."""
    return bool(_NAME.fullmatch(name) and right and variables(right))


def _are_all_equal(nodes: Items[Node | None]) -> bool:
    found = [node and profile(node) for node in nodes]
    first = found[0]
    return bool(first) and all(
        bool(one and first and len(one.values) == len(first.values))
        and all(are_close(a, b) for a, b in zip(one.values, first.values, strict=True))  # type: ignore[union-attr]
        for one in found
    )


def _read_inequality(sides: list[str], signs: list[str]) -> Value | None:
    nodes = [parse_expression(side) for side in sides]
    if any(node is None for node in nodes) or "=" in signs:
        return None
    known = [node for node in nodes if node is not None]
    if all(sign in _FLIPPED for sign in signs):
        known, signs = known[::-1], [_FLIPPED[sign] for sign in signs[::-1]]
    if any(sign in _FLIPPED for sign in signs):
        return None
    if len(known) == 3 and _is_name(known[1]) and not variables(known[0]) | variables(known[2]):
        return Labelled(known[1].name, _interval(known[0], known[2], signs[0], signs[1]))
    if len(known) != 2:
        return None
    left, right = known
    if _is_name(left) and not variables(right):
        return Labelled(left.name, _interval(negate(_INFINITY), right, "<", signs[0]))
    if _is_name(right) and not variables(left):
        return Labelled(right.name, _interval(left, _INFINITY, signs[0], "<"))
    sign: Literal["<", r"\le"] = "<" if signs[0] == "<" else r"\le"
    return Equation(left, sign, right)


def _is_name(node: Node) -> bool:
    return node.op == "var"


def _interval(low: Node, high: Node, first: str, second: str) -> Sequence:
    brackets = ("(" if first == "<" else "[") + (")" if second == "<" else "]")
    return Sequence(BRACKETS[brackets], (Scalar(low), Scalar(high)))


def merge_labels(items: Items[Value], signs: Items[str]) -> Value | None:
    """One value for several of one name, `x=2 or x=3`, or for the coordinates `x=1, y=2`; None for other lists."""
    labelled = [item for item in items if isinstance(item, Labelled)]
    named = labelled[0] if labelled and items[0] is labelled[0] else None
    if named and len(labelled) == 1 and all(isinstance(item, Scalar) for item in items[1:]):
        labelled += [Labelled(named.label, item) for item in items[1:]]  # `x = 2, 3`
    if len(labelled) < len(items):
        return None
    labels = [item.label for item in labelled]
    values = tuple(item.value for item in labelled)
    if len(set(labels)) == len(labels) and all(isinstance(value, Scalar) for value in values):
        pairs = sorted(zip(labels, values, strict=True), key=lambda pair: pair[0])
        return Labelled(f"({', '.join(name for name, _ in pairs)})", Sequence("()", tuple(part for _, part in pairs)))
    if len(set(labels)) > 1:
        return None
    if all(isinstance(value, Sequence) and value.is_interval for value in values):
        if not all(sign in ("or", r"\lor") for sign in signs):
            return Text(", ".join(item.key for item in items))
        return Labelled(labels[0], Union(tuple(sorted(values, key=lambda value: value.key))))
    return Labelled(labels[0], Sequence("", values))
