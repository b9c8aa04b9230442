r"""Reads an expression in LaTeX, plain text, or a program's notation. What it cannot read wholly and surely is None.

A product without a sign is read only where one reading is usual: `2(3)` is 6 and `1\frac{1}{2}` is 3/2, but `1/2x` may
be x/2 or 1/(2x), and is not read; nor are words, `x2` and two numbers side by side.
"""

import re
from functools import lru_cache

from cogitate.strategies.answers.expression import FUNCTIONS, Node, divide, negate, number
from cogitate.strategies.answers.numbers import normalize_literal, round_float

MAX_CHARACTERS = 400
_MAX_DEPTH = 24
_TOKEN = re.compile(
    r"\s*(?:(?P<number>(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][-+]?[0-9]{1,3}(?![0-9A-Za-z.]))?)|(?P<command>\\[A-Za-z]+)"
    r"|(?P<word>[A-Za-z]+)|(?P<power>\*\*)|(?P<sign>[-+*/^_!()\[\]{}|,°']))"
)
_PLAIN_FUNCTIONS = {name: name for name in FUNCTIONS - {"root"}} | {
    "asin": "arcsin", "acos": "arccos", "atan": "arctan", "log2": "log2", "log10": "log10", "ceiling": "ceil",
    "cbrt": "cbrt", "Abs": "abs", "Fraction": "fraction", "Rational": "fraction", "comb": "binom", "lg": "log10",
    "binomial": "binom",
}  # fmt: skip
_GREEK = frozenset(
    r"\alpha \beta \gamma \delta \epsilon \varepsilon \zeta \eta \theta \iota \kappa \lambda \mu \nu \xi \rho \sigma "
    r"\tau \phi \varphi \chi \psi \omega \Gamma \Delta \Theta \Lambda \Sigma \Phi \Psi \Omega \ell".split()
)
_RUNS = re.compile("abcd?|xyz|pqr|rst|uvw|ijk|mnp|abx|abxy|axy|bxy|axz|xyzw")
_NAMES_OF_FUNCTIONS = frozenset("fghFGHP")
_DEGREE = divide(Node("const", "pi"), number("180"))


class Unreadable(ValueError):
    """The text is no expression, or may mean more than one."""


@lru_cache(maxsize=8192)
def parse_expression(text: str) -> Node | None:
    """The tree of an expression; None where the text is not wholly one, or may be read in two ways."""
    if not text or len(text) > MAX_CHARACTERS or (len(text) > 1 and text.isalpha() and text != "pi"):
        return None
    try:
        tokens = _tokenize(text)
        parser = _Parser(tokens)
        node = parser.sum()
        return node if parser.at == len(tokens) else None
    except Unreadable:
        return None


def _tokenize(text: str) -> list[str]:
    tokens: list[str] = []
    at, end = 0, len(text.rstrip())
    while at < end:
        match = _TOKEN.match(text, at)
        if not match:
            raise Unreadable
        tokens.extend(_split_word(match["word"]) if match["word"] else [match[0].strip()])
        # Two numbers side by side, and a letter that a number follows, are no product.
        gap_after_number = match["number"] and tokens[-2:-1] != ["_"] and re.match(r"\s+[0-9.]", text[match.end() : match.end() + 20])
        index = match["word"] and text[match.end() : match.end() + 1].isdigit() and tokens[-1] not in ("log2", "log10")
        if gap_after_number or index:
            mixed = match["number"] and re.match(r"\s+[0-9]+\s*/\s*[0-9]+(?![0-9.!^/]|\s*[A-Za-z\\(])", text[match.end() :])
            if not (mixed and match["number"].isdecimal()):
                raise Unreadable
            tokens.append("&")
        at = match.end()
    return tokens


def _split_word(word: str) -> list[str]:
    """A function, a constant or letters that are multiplied; longer runs are words, and no expression."""
    if word in _PLAIN_FUNCTIONS or word in ("pi", "oo", "inf", "theta"):
        return [word]
    for length in range(len(word) - 1, 0, -1):
        head, tail = word[:length], word[length:]
        if length <= 2 and (tail in _PLAIN_FUNCTIONS or tail in ("pi", "theta")):
            return [*head, tail]
    if len(word) > 2 and not _RUNS.fullmatch(word):
        raise Unreadable
    return list(word)


class _Parser:
    """A descent over the tokens. `at` is the next one."""

    def __init__(self, tokens: list[str]) -> None:
        self.tokens, self.at, self.depth = tokens, 0, 0

    def peek(self) -> str:
        return self.tokens[self.at] if self.at < len(self.tokens) else ""

    def accept(self, *options: str) -> str:
        token = self.peek()
        if token and token in options:
            self.at += 1
            return token
        return ""

    def expect(self, *options: str) -> str:
        if not (token := self.accept(*options)):
            raise Unreadable
        return token

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
                result, slashed = _multiply(result, self.signed()), False
            elif self.accept("/", r"\div"):
                result, slashed = divide(result, self.signed()), True
            elif self._starts_atom(token):
                if slashed:
                    raise Unreadable
                result = _multiply(result, self.power())
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
        closing = token in ("+", "-", "|", r"\rfloor", r"\rceil", r"\rvert", ")", "]", "}", ",", "&", "_", "^", "**", "'", "!", "°")
        return not closing and token != r"\right"

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
        match token.removeprefix("\\"):
            case "frac":
                return divide(self.braced(), self.braced())
            case "binom":
                return Node("fn", "binom", (self.braced(), self.braced()))
            case "sqrt":
                return self.root()
            case "pi":
                return Node("const", "pi")
            case "infty" | "oo" | "inf":
                return Node("const", "inf")
            case name if name in _PLAIN_FUNCTIONS:
                return self.function(_PLAIN_FUNCTIONS[name])
        if token in ("e", "i"):
            return Node("const", token)
        if token == "theta" or token in _GREEK or len(token) == 1 and token.isalpha():
            return self.variable(f"\\{token}" if token == "theta" else token)
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
        node = _apply(name, ([base] if base else []) + arguments)
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
        while (token := self.peek()) and token not in ("+", "-", "*", "/", r"\cdot", r"\times") and not _is_function(token):
            if token in ("(", "["):
                raise Unreadable
            if not self._starts_atom(token):
                break
            result = _multiply(result, self.power())
        return [result]


def _is_function(token: str) -> bool:
    return token.removeprefix("\\") in _PLAIN_FUNCTIONS and token.removeprefix("\\") != "sqrt"


def _multiply(a: Node, b: Node) -> Node:
    if a.op == "neg":
        return negate(_multiply(a.args[0], b))
    if b.op == "neg":
        return negate(_multiply(a, b.args[0]))
    return Node("mul", args=(*(a.args if a.op == "mul" else (a,)), *(b.args if b.op == "mul" else (b,))))


def _apply(name: str, arguments: list[Node]) -> Node:
    """The function of its arguments, as a tree. Raises Unreadable for a wrong number of them."""
    arity = 2 if name in ("binom", "fraction") else 1
    if name == "log" and len(arguments) == 2:
        return Node("fn", "log", tuple(arguments))
    if len(arguments) != arity:
        raise Unreadable
    match name:
        case "fraction":
            return divide(*arguments)
        case "cbrt":
            return Node("fn", "root", (number("3"), *arguments))
        case "log2" | "log10":
            return Node("fn", "log", (number(name.removeprefix("log")), *arguments))
        case "exp":
            return Node("pow", args=(Node("const", "e"), *arguments))
    return Node("fn", name, tuple(arguments))
