"""The values that an answer can be, one type each. Only two of one type are compared, each by its type's rule."""

from dataclasses import dataclass
from typing import Literal

from cogitate.strategies.answers.expression import Node, write
from cogitate.strategies.answers.units import Unit

Brackets = Literal["", "()", "[]", "(]", "[)", "{}"]
"""How a sequence is written: "" a list in any order, "()" a tuple or an open interval, "[]" an ordered list or a closed
interval, "{}" a set."""


BRACKETS: dict[str, Brackets] = {"()": "()", "[]": "[]", "(]": "(]", "[)": "[)"}
"""The pairs of brackets that tuples, ordered lists and intervals have."""


@dataclass(frozen=True, slots=True)
class Text:
    """Words, or what no other type reads. Equal where the words are."""

    key: str


@dataclass(frozen=True, slots=True)
class Written:
    """What looks like arithmetic and may be none: a range, score, ratio, time, date, version or number of a telephone.

    Equal only where it is written alike.
    """

    key: str


@dataclass(frozen=True, slots=True)
class Json:
    """A JSON object, in its canonical form."""

    key: str


@dataclass(frozen=True, slots=True)
class Scalar:
    """A number or an expression."""

    node: Node

    @property
    def key(self) -> str:
        return write(self.node)


@dataclass(frozen=True, slots=True)
class Percentage:
    """A percentage, which is neither its number nor a hundredth of it."""

    node: Node

    @property
    def key(self) -> str:
        return f"{write(self.node)}%"


@dataclass(frozen=True, slots=True)
class Amount:
    """A number with a unit."""

    node: Node
    unit: Unit

    @property
    def key(self) -> str:
        return rf"{write(self.node)}\text{{ {self.unit.name}}}"


@dataclass(frozen=True, slots=True)
class Based:
    """Digits to a base that is written with them: `101_2`."""

    digits: str
    base: str

    @property
    def key(self) -> str:
        return f"{self.digits}_{self.base}" if len(self.base) == 1 else f"{self.digits}_{{{self.base}}}"


@dataclass(frozen=True, slots=True)
class Labelled:
    """A value that is named: `x=3`, `x\\in [0, 1]`, `Area=5`. Equal where name and value are."""

    label: str
    value: "Value"

    @property
    def key(self) -> str:
        inner = self.value
        if isinstance(inner, Sequence) and inner.brackets == "":
            return ", ".join(f"{self.label}={item.key}" for item in inner.items)
        if isinstance(inner, Union) or (isinstance(inner, Sequence) and inner.is_interval and self.label[0] != "("):
            return rf"{self.label}\in {inner.key}"
        return f"{self.label}={inner.key}"


@dataclass(frozen=True, slots=True)
class Equation:
    """Two expressions with a sign between them. Equal where one is the other times a constant."""

    left: Node
    sign: Literal["=", "<", r"\le"]
    right: Node

    @property
    def key(self) -> str:
        gap = " " if self.sign == r"\le" and write(self.right)[0].isalpha() else ""
        return f"{write(self.left)}{self.sign}{gap}{write(self.right)}"


@dataclass(frozen=True, slots=True)
class Sequence:
    """A list, tuple, set or interval."""

    brackets: Brackets
    items: tuple["Value", ...]

    @property
    def is_interval(self) -> bool:
        return self.brackets in ("()", "[]", "(]", "[)") and len(self.items) == 2

    @property
    def key(self) -> str:
        inner = ", ".join(item.key for item in self.items)
        if self.brackets == "{}":
            return rf"\{{{inner}\}}" if self.items else r"\emptyset"
        return f"{self.brackets[:1]}{inner}{self.brackets[1:]}"


@dataclass(frozen=True, slots=True)
class Union:
    """A union of intervals and sets."""

    parts: tuple["Value", ...]

    @property
    def key(self) -> str:
        return r" \cup ".join(part.key for part in self.parts)


@dataclass(frozen=True, slots=True)
class Matrix:
    """Rows of expressions."""

    rows: tuple[tuple["Value", ...], ...]

    @property
    def key(self) -> str:
        rows = r" \\ ".join(" & ".join(cell.key for cell in row) for row in self.rows)
        return rf"\begin{{pmatrix}} {rows} \end{{pmatrix}}"


Value = Text | Written | Json | Scalar | Percentage | Amount | Based | Labelled | Equation | Sequence | Union | Matrix
