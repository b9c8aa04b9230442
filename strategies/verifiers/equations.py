"""Finds the equations in prose, as tokens, and skips words, units and LaTeX around them. Takes linear time.

The scanner uses only text that it understands: at a variable, a function or a word that changes a number (`7 mod 3`,
`2y`, `half of 50`) it skips to the end of the sentence.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

TOKEN = re.compile(
    r"(?P<number>(?:\d{1,3}(?:,\d{3})+|\d{1,15})(?:\.\d{1,15})?|\.\d{1,15})|(?P<op>\*\*|[-+*/^×÷·−–])|(?P<bracket>[()])"
    r"|(?P<equals>[=≈])|(?P<percent>%)|(?P<word>[A-Za-z]+)|(?P<line>\n)|(?P<stop>[.,;:?!])|(?P<other>[^\s$€£\\])"
)
OPERATORS = {"×": "*", "·": "*", "÷": "/", "−": "-", "–": "-", "**": "^"}
OPERATOR_CHARACTERS = frozenset("+-*/^")
EQUALS = frozenset("=≈")
MAX_EQUATION_TOKENS = 60
"""Longer equations are skipped."""
OPERATOR_WORDS = {
    **{"times": "*", "cdot": "*", "div": "/", "plus": "+", "minus": "-", "approx": "≈"},
    **dict.fromkeys(("left", "right", "quad", "qquad"), ""),
}
OPERATOR_WORDS_AFTER_NUMBER = {"x": "*", "percent": "%"}
"""Words that are operators directly after a number."""
NUMBER_MODIFIERS = frozenset(
    ("hundred", "thousand", "million", "billion", "trillion", "dozen", "half", "third", "quarter", "twice", "thrice")
    + ("double", "triple", "pi", "sqrt", "frac", "log", "ln", "lg", "sin", "cos", "tan", "exp", "mod", "choose", "over")
    + ("divided", "squared", "cubed", "factorial", "remainder", "pm")
)
"""Words that change the number next to them."""
UNARY_MINUS = re.compile(r"(?<![^\s(=$≈])[-−–](?=[\d.($])")
"""A minus sign that belongs to the number after it."""
PART_OF_A_NAME = re.compile(r"_|(?<=\d):(?=\d)")
"""Characters that are part of a name or a time, as in a_1 and 12:30."""


def find_equations(text: str) -> Iterator[list[str]]:
    """Yield each run of numbers and operators that contains an equals sign, as tokens."""
    scanner = EquationScanner(text)
    for match in TOKEN.finditer(text):
        yield from _yield_equation(scanner.feed(match))
    yield from _yield_equation(scanner.flush())


def _yield_equation(tokens: list[str]) -> Iterator[list[str]]:
    """Yield the tokens if they are an equation of at most MAX_EQUATION_TOKENS."""
    if not EQUALS.isdisjoint(tokens) and len(tokens) <= MAX_EQUATION_TOKENS:
        yield tokens


@dataclass(slots=True)
class EquationScanner:
    """Scans a text match by match. Each call returns the run that ended before the match, empty if none did."""

    text: str
    tokens: list[str] = field(default_factory=list)
    """The current run."""
    words_since_number: int = 0
    skips_sentence: bool = False
    """Whether tokens are ignored up to the end of the sentence."""
    at_line_start: bool = True

    def flush(self) -> list[str]:
        """End the run and return it."""
        tokens, self.tokens, self.words_since_number, self.skips_sentence = self.tokens, [], 0, False
        return tokens

    def skip_sentence(self) -> list[str]:
        """Ignore the rest of the sentence; returns the run if it is an equation already."""
        tokens = self.flush()
        self.skips_sentence = True
        return tokens if not EQUALS.isdisjoint(tokens) else []

    @property
    def ends_with_operand(self) -> bool:
        """Whether the last token is a number, a closing bracket or a percent sign."""
        return bool(self.tokens) and (self.tokens[-1][-1].isdigit() or self.tokens[-1] in "%)")

    def feed(self, match: re.Match[str]) -> list[str]:
        """Read one match of TOKEN. A run ends with its line, unless the next line continues it."""
        kind = match.lastgroup
        if kind == "line":
            self.at_line_start = True
            return []
        first, self.at_line_start = self.at_line_start, False
        ends = first and kind != "equals" and (self.ends_with_operand or self.skips_sentence)
        ended = self.flush() if ends else []
        more = self._consume(kind, match, first=first)
        return ended or more

    def _consume(self, kind: str | None, token: re.Match[str], *, first: bool) -> list[str]:
        lexeme = token.group()
        operator = OPERATORS.get(lexeme, lexeme)
        match kind:
            case "stop" | "other":
                return self.skip_sentence() if PART_OF_A_NAME.match(self.text, token.start()) else self.flush()
            case "word":
                return self._consume_word(lexeme, token)
            case _ if self.skips_sentence:
                return []
            case "number" if self.ends_with_operand:
                return self._consume_adjacent_number(lexeme, token.end())
            case "op" if self.words_since_number and operator == "^":
                return self.skip_sentence()
            case "op" if not self.tokens and not UNARY_MINUS.match(self.text, token.start()):
                return [] if first else self.skip_sentence()
        if kind == "equals" and self.words_since_number and len(self.tokens) == 1:
            self.tokens = []  # 3 shirts = 3 * 10: the left side names the quantity
        self.tokens.append(operator)
        self.words_since_number = 0
        return []

    def _consume_adjacent_number(self, lexeme: str, end: int) -> list[str]:
        """Start a new run, unless both numbers may be one quantity, as in 7 days 4 hours or 2 1/2."""
        mixed = not self.words_since_number and len(self.tokens) == 1 and self.text[end : end + 1] == "/"
        if mixed or (self.words_since_number == 1 and EQUALS.isdisjoint(self.tokens)):
            return self.skip_sentence()
        tokens = self.flush()
        self.tokens.append(lexeme)
        return tokens

    def _consume_word(self, lexeme: str, match: re.Match[str]) -> list[str]:
        """Read an operator word, a unit after a number, or prose, which ends the run."""
        if self.skips_sentence:
            return []
        if (operator := self._parse_operator_word(lexeme)) is not None:
            self.tokens += [operator] if operator else []
            return []
        if self._is_function_or_variable(match) or lexeme.lower() in NUMBER_MODIFIERS:
            return self.skip_sentence()
        if self.ends_with_operand and lexeme != "and":
            self.words_since_number += 1
            return []
        dangling = self.tokens[-1:] and self.tokens[-1] in OPERATOR_CHARACTERS and EQUALS.isdisjoint(self.tokens)
        return self.skip_sentence() if dangling else self.flush()

    def _is_function_or_variable(self, match: re.Match[str]) -> bool:
        """Whether the word is a single letter before a bracket, f(x), or directly after a digit, 2y."""
        if len(match.group()) != 1:
            return False
        return self.text[match.end() : match.end() + 1] == "(" or self.text[match.start() - 1 : match.start()].isdigit()

    def _parse_operator_word(self, word: str) -> str | None:
        """Return the operator that the word stands for, empty for a LaTeX word to ignore; None for any other word."""
        if self.ends_with_operand and word.lower() in OPERATOR_WORDS_AFTER_NUMBER:
            return OPERATOR_WORDS_AFTER_NUMBER[word.lower()]
        return "*" if word == "of" and self.tokens[-1:] == ["%"] else OPERATOR_WORDS.get(word.lower())
