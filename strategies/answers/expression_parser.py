r"""Reads an expression in LaTeX, plain text, or a program's notation. What it cannot read wholly and surely is None."""

import re
from functools import lru_cache

from cogitate.strategies.answers.expression import FUNCTIONS, Node, divide, is_product, multiply, negate, number
from cogitate.strategies.answers.expression_operators import OperatorParser, starts_atom
from cogitate.strategies.answers.expression_tokens import (
    PLAIN_FUNCTIONS,
    Unreadable,
    apply_function,
    is_function,
    tokenize,
)
from cogitate.strategies.answers.numbers import normalize_literal, round_float

MAX_CHARACTERS = 400
_GREEK = re.compile(
    r"\\(?:alpha|beta|gamma|delta|epsilon|varepsilon|zeta|eta|theta|iota|kappa|lambda|mu|nu|xi|rho|sigma|tau|phi|varphi|chi"
    r"|psi|omega|Gamma|Delta|Theta|Lambda|Sigma|Phi|Psi|Omega|ell)"
)
CONSTANTS = {"e": "e", "i": "i", "pi": "pi", r"\pi": "pi", r"\infty": "inf", "oo": "inf", "inf": "inf"}
_NAMES_OF_FUNCTIONS = frozenset("fghFGHP")


@lru_cache(maxsize=8192)
def parse_expression(text: str) -> Node | None:
    """The tree of an expression; None where the text is not wholly one, or may be read in two ways."""
    if (
        not text
        or len(text) > MAX_CHARACTERS
        or (len(text) > 1 and text.isalpha() and text not in ("pi", "oo") and not is_product(text))
    ):
        return None
    try:
        parser = _Parser(tokenize(text))
        node = parser.sum()
        return None if parser.peek() else node
    except (Unreadable, RecursionError):
        return None


class _Parser(OperatorParser):
    """Reads the operands: numbers, names, functions and brackets."""

    def atom(self) -> Node:
        token = self.peek()
        self.at += 1
        if not token:
            raise Unreadable
        if token[0].isdigit() or token[0] == ".":
            return self.literal(token)
        if token in ("(", "[", "{"):
            node = self.sum()
            self.expect({"(": ")", "[": "]", "{": "}"}[token])
            return node
        if token in ("|", r"\lvert", r"\lfloor", r"\lceil"):
            node = self.sum()
            self.expect({"|": "|", r"\lvert": r"\rvert", r"\lfloor": r"\rfloor", r"\lceil": r"\rceil"}[token])
            names = {r"\lfloor": "floor", r"\lceil": "ceil"}
            return Node("fn", names.get(token, "abs"), (node,))
        return self.symbol(token)

    def literal(self, token: str) -> Node:
        digits = normalize_literal(token)
        if digits is None:
            raise Unreadable
        node = number(round_float(digits))
        if self.accept("&"):
            top, bottom = self.expect(self.peek()), self.expect("/") and self.expect(self.peek())
            return Node("mixed", args=(node, number(top.lstrip("0") or "0"), number(bottom.lstrip("0") or "0")))
        if node.is_integer and self.peek() == r"\frac" and token.isdecimal():
            start = self.at
            part = self.symbol(self.expect(r"\frac"))
            if part.op == "div" and all(side.is_integer for side in part.args) and self.peek() not in ("^", "!"):
                return Node("mixed", args=(node, *part.args))
            self.at = start
        return node

    def symbol(self, token: str) -> Node:
        name = token.removeprefix("\\")
        match name:
            case "frac":
                return divide(self.group(), self.group())
            case "binom" if token != name:
                return Node("fn", "binom", (self.group(), self.group()))
            case "sqrt":
                return self.root()
        if name in PLAIN_FUNCTIONS:
            return self.function(PLAIN_FUNCTIONS[name])
        if token in CONSTANTS:
            return Node("const", CONSTANTS[token])
        if name == "theta" or _GREEK.fullmatch(token) or len(token) == 1 and token.isalpha():
            return self.variable("\\theta" if name == "theta" else token)
        raise Unreadable

    def variable(self, name: str) -> Node:
        if self.accept("_"):
            braced = bool(self.accept("{"))
            index = self.expect(self.peek())
            if not index.isalnum() or (braced and not self.accept("}")):
                raise Unreadable
            name = f"{name}_{index}" if len(index) == 1 else f"{name}_{{{index}}}"
        while self.accept("'"):
            name += "'"
        if name in _NAMES_OF_FUNCTIONS and self.peek() == "(":
            raise Unreadable
        return Node("var", name)

    def root(self) -> Node:
        degree = None
        if self.accept("["):
            degree = self.sum()
            self.expect("]")
        if self.peek() not in ("{", "("):
            radicand = self.atom()
        else:
            closing = "}" if self.expect("{", "(") == "{" else ")"
            radicand = self.sum()
            self.expect(closing)
        return Node("fn", "root", (degree, radicand)) if degree else Node("fn", "sqrt", (radicand,))

    def function(self, name: str) -> Node:
        base = exponent = None
        if name == "log" and self.accept("_"):
            base = self.exponent()
        if self.accept("^", "**"):
            exponent = self.exponent()
        arguments = self.arguments()
        if exponent == negate(number("1")) and f"arc{name}" in FUNCTIONS:
            name, exponent = f"arc{name}", None
        node = apply_function(name, ([base] if base else []) + arguments)
        return self.postfix(Node("pow", args=(node, exponent)) if exponent else node)

    def arguments(self) -> list[Node]:
        """Arguments in brackets, or the product that follows: `\\sin 2x`."""
        if self.peek() in ("(", "{", "["):
            closing = {"(": ")", "{": "}", "[": "]"}[self.expect(self.peek())]
            found = [self.sum()]
            while self.accept(","):
                found.append(self.sum())
            self.expect(closing)
            return found
        result = self.power()
        while (
            (token := self.peek()) and token not in ("+", "-", "*", "/", r"\cdot", r"\times") and not is_function(token)
        ):
            if token in ("(", "["):
                raise Unreadable
            if not starts_atom(token):
                break
            result = multiply(result, self.power())
        return [result]
