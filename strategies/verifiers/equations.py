"""The equations that a person would see in prose, as tokens: words, units and LaTeX around them. Linear in the text.

What is not understood is not believed: beside a variable, a function or a word that changes a number (`7 mod 3`, `2y`,
`half of 50`) nothing is read up to the end of the sentence.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

TOKEN = re.compile(
    r"(?P<number>(?:\d{1,3}(?:,\d{3})+|\d{1,15})(?:\.\d{1,15})?|\.\d{1,15})|(?P<op>\*\*|[-+*/^×÷·−–])|(?P<bracket>[()])"
    r"|(?P<equals>[=≈])|(?P<percent>%)|(?P<word>[A-Za-z]+)|(?P<line>\n)|(?P<stop>[.,;:?!])|(?P<other>[^\s$€£\\])"
)
OPERATORS = {"×": "*", "·": "*", "÷": "/", "−": "-", "–": "-", "**": "^"}
SIGNS = frozenset("+-*/^")
EQUALS = frozenset("=≈")
LONGEST = 60
"""Tokens in one equation. Longer ones are not read."""
MEANINGS = {
    **{"times": "*", "cdot": "*", "div": "/", "plus": "+", "minus": "-", "approx": "≈"},
    **dict.fromkeys(("left", "right", "quad", "qquad"), ""),
}
BEHIND = {"x": "*", "percent": "%"}
"""What words mean right behind a number."""
CHANGES = frozenset(
    ("hundred", "thousand", "million", "billion", "trillion", "dozen", "half", "third", "quarter", "twice", "thrice")
    + ("double", "triple", "pi", "sqrt", "frac", "log", "ln", "lg", "sin", "cos", "tan", "exp", "mod", "choose", "over")
    + ("divided", "squared", "cubed", "factorial", "remainder", "pm")
)
"""Words that make another number of those beside them."""
SIGNED = re.compile(r"(?<![^\s(=$≈])[-−–](?=[\d.($])")
"""A minus sign that belongs to what follows it."""
PART_OF_A_NAME = re.compile(r"_|(?<=\d):(?=\d)")
"""As in a_1, and in 12:30."""


def runs(text: str) -> Iterator[list[str]]:
    """The stretches of numbers and signs that hold an equals sign."""
    reader = Reader(text)
    for token in TOKEN.finditer(text):
        yield from equation(reader.read(token))
    yield from equation(reader.ended())


def equation(run: list[str]) -> Iterator[list[str]]:
    if not EQUALS.isdisjoint(run) and len(run) <= LONGEST:
        yield run


@dataclass(slots=True)
class Reader:
    """Reads a text token by token. Each call gives the stretch that ended before the token, if one did."""

    text: str
    run: list[str] = field(default_factory=list)
    words: int = 0
    """Since the last number."""
    spoilt: bool = False
    line: bool = True
    """Nothing was read yet of this line."""

    def ended(self) -> list[str]:
        run, self.run, self.words, self.spoilt = self.run, [], 0, False
        return run

    def spoil(self) -> list[str]:
        run = self.ended()
        self.spoilt = True
        return run if not EQUALS.isdisjoint(run) else []

    @property
    def closed(self) -> bool:
        """A number, or what stands for one, was read last."""
        return bool(self.run) and (self.run[-1][-1].isdigit() or self.run[-1] in "%)")

    def read(self, token: re.Match[str]) -> list[str]:
        kind, written = token.lastgroup, token.group()
        if kind == "line":
            self.line = True
            return []
        first, self.line = self.line, False
        over = first and kind != "equals" and (self.closed or self.spoilt)
        done = self.ended() if over else []
        more = self.taken(kind, written, token, first=first)
        return done or more

    def taken(self, kind: str | None, written: str, token: re.Match[str], *, first: bool) -> list[str]:
        match kind:
            case "stop" | "other":
                return self.spoil() if PART_OF_A_NAME.match(self.text, token.start()) else self.ended()
            case "word":
                return self.word(written, token)
            case _ if self.spoilt:
                return []
            case "number" if self.closed:
                return self.number(written, token.end())
            case "op" if self.words and OPERATORS.get(written, written) == "^":
                return self.spoil()
            case "op" if not self.run and not SIGNED.match(self.text, token.start()):
                return [] if first else self.spoil()
        if kind == "equals" and self.words and len(self.run) == 1:
            self.run = []  # 3 shirts = 3 * 10: a name for what follows, and no side of it
        self.run.append(OPERATORS.get(written, written))
        self.words = 0
        return []

    def number(self, written: str, end: int) -> list[str]:
        """One behind another: a new stretch begins, unless both may be one quantity, as 7 days 4 hours, or 2 1/2."""
        mixed = not self.words and len(self.run) == 1 and self.text[end : end + 1] == "/"
        if mixed or (self.words == 1 and EQUALS.isdisjoint(self.run)):
            return self.spoil()
        run = self.ended()
        self.run.append(written)
        return run

    def word(self, written: str, token: re.Match[str]) -> list[str]:
        """A sign that is spelt out, a unit behind a number, or prose, which ends the stretch."""
        if self.spoilt:
            return []
        if (sign := self.meaning(written)) is not None:
            self.run += [sign] if sign else []
            return []
        called = len(written) == 1 and self.text[token.end() : token.end() + 1] == "("
        variable = len(written) == 1 and self.text[token.start() - 1 : token.start()].isdigit()
        if called or variable or written.lower() in CHANGES:
            return self.spoil()
        if self.closed and written != "and":
            self.words += 1
            return []
        hanging = self.run[-1:] and self.run[-1] in SIGNS and EQUALS.isdisjoint(self.run)
        return self.spoil() if hanging else self.ended()

    def meaning(self, word: str) -> str | None:
        if self.closed and word.lower() in BEHIND:
            return BEHIND[word.lower()]
        return "*" if word == "of" and self.run[-1:] == ["%"] else MEANINGS.get(word.lower())
