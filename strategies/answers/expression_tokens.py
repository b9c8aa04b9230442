"""Splits an expression into tokens: numbers, commands, letters and signs."""

import re

from cogitate.strategies.answers.expression import FUNCTIONS, Node, divide, is_run, number

PLAIN_FUNCTIONS = {name: name for name in FUNCTIONS - {"root"}} | {
    "asin": "arcsin", "acos": "arccos", "atan": "arctan", "log2": "log2", "log10": "log10", "ceiling": "ceil",
    "cbrt": "cbrt", "Abs": "abs", "Fraction": "fraction", "Rational": "fraction", "comb": "binom", "lg": "log10",
    "binomial": "binom",
}  # fmt: skip
_TOKEN = re.compile(
    r"\s*(?:(?P<number>(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][-+]?[0-9]{1,3}(?![0-9A-Za-z.]))?)|(?P<command>\\[A-Za-z]+)"
    r"|(?P<word>log(?:2|10)(?=\()|[A-Za-z]+)|(?P<power>\*\*)|(?P<sign>[-+*/^_!()\[\]{}|,°']))"
)
_IMAGINARY = re.compile(r"(?<=[0-9])j(?![A-Za-z0-9_(])|(?<=\*)I(?![A-Za-z0-9_(])|(?<![A-Za-z0-9_)])I(?=\*)")
"""A program's imaginary unit: `14-1j`, `2*I`."""


class Unreadable(ValueError):
    """The text is no expression, or may mean more than one."""


def tokenize(text: str) -> list[str]:
    """The tokens; `&` stands between the whole and the fraction of a mixed number. Raises Unreadable."""
    text = _IMAGINARY.sub("i", text)
    tokens: list[str] = []
    at, end = 0, len(text.rstrip())
    while at < end:
        match = _TOKEN.match(text, at)
        if not match:
            raise Unreadable
        tokens.extend(_split_word(match["word"]) if match["word"] else [match[0].strip()])
        # Two numbers side by side, and a letter that a number follows, are no product.
        gap_after_number = (
            match["number"] and tokens[-2:-1] != ["_"] and re.match(r"\s+[0-9.]", text[match.end() : match.end() + 20])
        )
        index = match["word"] and text[match.end() : match.end() + 1].isdigit()
        if gap_after_number or index:
            mixed = match["number"] and re.match(
                r"\s+[0-9]+\s*/\s*[0-9]+(?![0-9.!^/]|\s*[A-Za-z\\(])", text[match.end() :]
            )
            if not (mixed and match["number"].isdecimal()):
                raise Unreadable
            tokens.append("&")
        at = match.end()
    return tokens


def _split_word(word: str) -> list[str]:
    """A function, a constant or letters that are multiplied; longer runs are words, and no expression."""
    if word in PLAIN_FUNCTIONS or word in ("pi", "oo", "inf", "theta"):
        return [word]
    for length in range(len(word) - 1, 0, -1):
        head, tail = word[:length], word[length:]
        if length <= 2 and (tail in PLAIN_FUNCTIONS or tail in ("pi", "theta")):
            return [*head, tail]
    if not is_run(word):
        raise Unreadable
    return list(word)


class Cursor:
    """Goes over the tokens; `at` is the next one."""

    def __init__(self, tokens: list[str]) -> None:
        self.tokens, self.at = tokens, 0

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


def is_function(token: str) -> bool:
    """Whether the token is a function's name, roots apart."""
    return token.removeprefix("\\") in PLAIN_FUNCTIONS and token.removeprefix("\\") != "sqrt"


def apply_function(name: str, arguments: list[Node]) -> Node:
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
