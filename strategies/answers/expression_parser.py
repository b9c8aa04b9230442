r"""Reads an expression in LaTeX, plain text, or a program's notation. What it cannot read wholly and surely is None.

A product without a sign is read only where one reading is usual: `2(3)` is 6 and `1\frac{1}{2}` is 3/2, but `1/2x` may
be x/2 or 1/(2x), and is not read; nor are words, `x2` and two numbers side by side.
"""

import re
from functools import lru_cache

from cogitate.strategies.answers.expression import FUNCTIONS, Node, divide, is_product, multiply, negate, number
from cogitate.strategies.answers.expression_tokens import (
    PLAIN_FUNCTIONS,
    Cursor,
    Unreadable,
    apply_function,
    is_function,
    tokenize,
)
from cogitate.strategies.answers.numbers import normalize_literal, round_float

MAX_CHARACTERS = 400
_MAX_DEPTH = 24
_GREEK = re.compile(
    r"\\(?:alpha|beta|gamma|delta|epsilon|varepsilon|zeta|eta|theta|iota|kappa|lambda|mu|nu|xi|rho|sigma|tau|phi|varphi|chi"
    r"|psi|omega|Gamma|Delta|Theta|Lambda|Sigma|Phi|Psi|Omega|ell)"
)
CONSTANTS = {"e": "e", "i": "i", "pi": "pi", r"\pi": "pi", r"\infty": "inf", "oo": "inf", "inf": "inf"}
_NAMES_OF_FUNCTIONS = frozenset("fghFGHP")
_DEGREE = divide(Node("const", "pi"), number("180"))


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


class _Parser(Cursor):
    """A descent over the tokens. `at` is the next one."""

    def __init__(self, tokens: list[str]) -> None:
        super().__init__(tokens)
        self.depth = 0

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
        result = self.signed()
        slashed = False
        while token := self.peek():
            if self.accept("*", r"\cdot", r"\times"):
                result, slashed = multiply(result, self.signed()), False
            elif self.accept("/", r"\div"):
                result, slashed = divide(result, self.signed()), True
            elif self._starts_atom(token):
                if slashed:
                    raise Unreadable
                result = multiply(result, self.power())
            else:
                break
        return result

    def signed(self) -> Node:
        signs = 0
        while sign := self.accept("-", "+"):
            signs += sign == "-"
        node = self.power()
        return negate(node) if signs % 2 else node

    def _starts_atom(self, token: str) -> bool:
        if token[0].isdigit() or token[0] == ".":
            # A number may follow a product only behind a closing bracket or a command: `\pi 2` is no usual notation.
            raise Unreadable
        closing = token in (
            "+",
            "-",
            "|",
            r"\rfloor",
            r"\rceil",
            r"\rvert",
            ")",
            "]",
            "}",
            ",",
            "&",
            "_",
            "^",
            "**",
            "'",
            "!",
            "°",
        )
        return not closing and token not in (r"\right",)

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
            return self.braced()
        negative = bool(self.accept("-"))
        node = self.power()
        return negate(node) if negative else node

    def braced(self) -> Node:
        self.expect("{")
        node = self.sum()
        self.expect("}")
        return node

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
        return self.named(token)

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
            part = self.named(self.expect(r"\frac"))
            if part.op == "div" and all(side.is_integer for side in part.args) and self.peek() not in ("^", "!"):
                return Node("mixed", args=(node, *part.args))
            self.at = start
        return node

    def named(self, token: str) -> Node:
        name = token.removeprefix("\\")
        match name:
            case "frac":
                return divide(self.braced(), self.braced())
            case "binom" if token != name:
                return Node("fn", "binom", (self.braced(), self.braced()))
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
            if not self._starts_atom(token):
                break
            result = multiply(result, self.power())
        return [result]
