r"""The operators of an expression, by precedence: sums, products, signs, powers, and what stands behind an operand.

A product without a sign is read only where one reading is usual: `2(3)` is 6 and `1\frac{1}{2}` is 3/2, but `1/2x` may
be x/2 or 1/(2x), and is not read; nor are words, `x2` and two numbers side by side.
"""

from abc import ABC, abstractmethod

from cogitate.strategies.answers.expression import Node, divide, multiply, negate, number
from cogitate.strategies.answers.expression_tokens import Cursor, Unreadable

_MAX_DEPTH = 24
_DEGREE = divide(Node("const", "pi"), number("180"))
_ENDS_OF_PRODUCT = frozenset(
    ("+", "-", "|", r"\rfloor", r"\rceil", r"\rvert", ")", "]", "}", ",", "&", "_", "^", "**", "'", "!", "°", r"\right")
)


class OperatorParser(Cursor, ABC):
    """A descent over the tokens, down to the operands. `at` is the next token."""

    def __init__(self, tokens: list[str]) -> None:
        super().__init__(tokens)
        self.depth = 0

    @abstractmethod
    def atom(self) -> Node:
        """Read an operand: a number, a name, a function of its arguments, or an expression in brackets."""

    def sum(self) -> Node:
        self.depth += 1
        if self.depth > _MAX_DEPTH:
            raise Unreadable
        terms = [self.term()]
        while sign := self.accept("+", "-"):
            term = self.term()
            terms.append(negate(term) if sign == "-" else term)
        self.depth -= 1
        flat = [part for term in terms for part in (term.args if term.op == "add" else (term,))]
        return flat[0] if len(flat) == 1 else Node("add", args=tuple(flat))

    def term(self) -> Node:
        result = self.factor()
        slashed = False
        while token := self.peek():
            if self.accept("*", r"\cdot", r"\times"):
                result, slashed = multiply(result, self.factor()), False
            elif self.accept("/", r"\div"):
                result, slashed = divide(result, self.factor()), True
            elif starts_atom(token):
                if slashed:
                    raise Unreadable
                result = multiply(result, self.power())
            else:
                break
        return result

    def factor(self) -> Node:
        signs = 0
        while sign := self.accept("-", "+"):
            signs += sign == "-"
        node = self.power()
        return negate(node) if signs % 2 else node

    def power(self) -> Node:
        base = self.postfix(self.atom())
        if self.accept("^", "**"):
            if self.peek() == r"\circ" or (self.tokens[self.at : self.at + 3] == ["{", r"\circ", "}"]):
                self.at += 1 if self.peek() == r"\circ" else 3
                return Node("mul", args=(base, _DEGREE))
            return Node("pow", args=(base, self.exponent()))
        return Node("mul", args=(base, _DEGREE)) if self.accept("°", r"\degree") else base

    def postfix(self, node: Node) -> Node:
        while self.accept("!"):
            node = Node("fn", "factorial", (node,))
        return node

    def exponent(self) -> Node:
        if self.peek() == "{":
            return self.group()
        negative = bool(self.accept("-"))
        node = self.power()
        return negate(node) if negative else node

    def group(self) -> Node:
        self.expect("{")
        node = self.sum()
        self.expect("}")
        return node


def starts_atom(token: str) -> bool:
    """Whether an operand begins here, so that it is a factor of the product before it. Raises Unreadable."""
    if token[0].isdigit() or token[0] == ".":
        # A number may follow a product only behind a closing bracket or a command: `\pi 2` is no usual notation.
        raise Unreadable
    return token not in _ENDS_OF_PRODUCT
