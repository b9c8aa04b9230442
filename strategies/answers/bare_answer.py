"""Replies, or paragraphs, that are nothing but the answer: `42`, `x = 5`, `12 apples`, `March 5, 1990`, `Paris`."""

import re
from collections.abc import Iterator

from cogitate.strategies.answers.answer_phrase import strip_markup
from cogitate.strategies.answers.question_type import asks_for_collection, asks_for_number, asks_for_words

_MAX_BARE_CHARACTERS = 500
_MAX_WORDS = 5
_AMOUNT = re.compile(
    r"(?:[A-Za-z](?:_\w|\(\w\))?\s?=\s?|[≈~=]\s?)?[-+±−]?\s?[$€£¥₹]?\s?[-+−]?\.?\d[\d.,\s/:%°^−–-]{0,60}"
    r"(?:[ ]?[^\W\d_]{1,14}[²³]?\.?(?:/[^\W\d_]{1,12}[²³]?)?){0,4}"
)
_AMOUNTS = re.compile(r"(?:\d{1,9}(?:\.\d{1,9})?[ ]?[^\W\d_]{1,14}\.?(?:,? and |, | )?){2,4}")
_NUMBER_WORD = re.compile(
    r"(?:(?:zero|one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|thirteen|fourteen|fifteen|sixteen"
    r"|seventeen|eighteen|nineteen|twenty|thirty|forty|fifty|sixty|seventy|eighty|ninety|hundred|thousand|million|and)"
    r"[ -]?){1,9}",
    re.IGNORECASE,
)
_MONTH = r"(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)[a-z]{0,6}\.?"
_DATE = re.compile(
    rf"(?:[A-Z][a-z]+day,? )?(?:{_MONTH} \d{{1,2}}(?:st|nd|rd|th)?(?:,? \d{{4}})?|(?:the )?\d{{1,2}}(?:st|nd|rd"
    rf"|th)?(?: of)? "
    rf"{_MONTH}(?:,? \d{{4}})?|{_MONTH},? \d{{4}}|(?:in )?\d{{3,4}} ?(?:BC|AD|BCE|CE)|(?:[Ii]n )?\d{{4}}s?)"
)
_COMMAND = re.compile(r"\\(?:text|mathrm|textbf|mathbf|operatorname|mbox)\s?\{[^{}]{0,60}\}|\\[A-Za-z]{1,20}")
_WORD = re.compile(r"[^\W\d_]{2,}")
_MATHEMATICAL_WORDS = frozenset(
    (
        "sin",
        "cos",
        "tan",
        "cot",
        "sec",
        "csc",
        "log",
        "ln",
        "sqrt",
        "pi",
        "exp",
        "mod",
        "or",
        "and",
        "abs",
        "max",
        "min",
    )
    + ("arcsin", "arccos", "arctan", "inf", "infinity", "frac", "floor", "ceil", "gcd", "lcm", "to", "in", "cdot", "e")
)
_EXPRESSION = re.compile(r"[\w\s.,:+\-*/^=<>≤≥≠±×÷·√π∞°%!|&()\[\]{}\\$'\"²³−–∪∩∈²³¹⁰⁴-⁹₀-₉ℝℤℕ~]+")
_SUBSTANCE = re.compile(r"\d|\\[A-Za-z]|(?<![A-Za-z])[A-Za-z](?![A-Za-z])|[πφ∞√]|\[\s*\]|\{\s*\}")
_NUMERIC = re.compile(r"[\d¼½¾⅓⅔]|\\[A-Za-z]|[πφ∞√\[{(]")
_SENTENCE = re.compile(r"[.!?。]\s|[.!?]{2}|[;:{}<>=]|\n")
_SPEAKING = frozenset(
    [
        "i",
        "you",
        "we",
        "he",
        "she",
        "it",
        "they",
        "this",
        "that",
        "these",
        "there",
        "here",
        "is",
        "are",
        "was",
        "were",
        "be",
        "been",
        "am",
        "do",
        "does",
        "did",
        "can",
        "could",
        "will",
        "would",
        "should",
        "must",
        "may",
        "might",
        "have",
        "has",
        "had",
        "let",
        "not",
        "sorry",
        "cannot",
        "because",
        "so",
        "if",
        "then",
        "hello",
        "hi",
        "thanks",
        "thank",
        "ok",
        "okay",
        "sure",
        "hmm",
        "wait",
        "unsure",
        "please",
        "what",
        "why",
        "how",
        "who",
        "idea",
        "clue",
        "my",
        "your",
        "me",
        "us",
        "answer",
        "solution",
        "step",
        "first",
        "note",
    ]
)
_ARTICLES = frozenset(("the", "a", "an"))


_WORKED_SUM = re.compile(r"[\d(][-+*/\u00d7\u00f7()\d., $]{0,200}=\s*(-?\$?\d[\d.,]{0,30})")
"""Arithmetic of plain numbers, worked out: `13 + 29 = 42`."""


def find_bare_answer(reply: str, question: str) -> str | None:
    """The answer of a reply that is nothing else, or of its last or first paragraph where that is an amount.

    Words alone are an answer only where the question asks for a name, or to choose. Of worked arithmetic the result is.
    """
    value = _find_bare_text(reply, question)
    worked = _WORKED_SUM.fullmatch(value.rstrip(". ")) if value else None
    return worked[1] if worked else value


def _find_bare_text(reply: str, question: str) -> str | None:
    if "\n" not in reply.strip() and (value := read_bare_line(reply, question)):
        return value
    paragraphs = [part.strip() for part in re.split(r"\n[ \t]*\n", reply) if part.strip()]
    for paragraph in _outer(paragraphs):
        value = strip_markup(paragraph)
        if "\n" not in paragraph and len(value) <= _MAX_BARE_CHARACTERS and is_expression_for(question, value):
            return value
    return None


def read_bare_line(line: str, question: str) -> str | None:
    """The answer, where the line is nothing else."""
    value = strip_markup(line.strip().rstrip("!"))
    if not value or len(value) > _MAX_BARE_CHARACTERS:
        return None
    if value in ("[]", "{}", "()") and not asks_for_collection(question):
        return None
    if is_expression_for(question, value) or _DATE.fullmatch(value):
        return value
    return value if asks_for_words(question) and not asks_for_number(question) and is_bare_words(value) else None


def is_expression_for(question: str, value: str) -> bool:
    """Whether the text is an expression; letters alone are none where a number is asked for."""
    is_number = bool(_NUMERIC.search(value) or _NUMBER_WORD.fullmatch(value))
    return is_bare_expression(value) and (is_number or not asks_for_number(question))


def is_bare_expression(value: str) -> bool:
    """Whether the text is a number with or without a unit, an equation, an expression or a collection of them."""
    if value in ("[]", "{}", "()"):
        return True
    if _NUMBER_WORD.fullmatch(value) or value in "¼½¾⅓⅔":
        return True
    if _AMOUNT.fullmatch(value) or _AMOUNTS.fullmatch(value):
        return not _SPEAKING & {word.casefold() for word in _WORD.findall(value)}
    if "\\boxed" in value or not _SUBSTANCE.search(value) or not _EXPRESSION.fullmatch(value):
        return False
    words = [word.casefold() for word in _WORD.findall(_COMMAND.sub(" ", value))]
    return all(word in _MATHEMATICAL_WORDS for word in words) and not value.endswith((":", "=")) and value != "I"


def is_bare_words(value: str) -> bool:
    """Whether the text is a name or a word, and no sentence."""
    words = value.split()
    folded = [word.strip(",'\"’").casefold() for word in words]
    if not words or len(words) > _MAX_WORDS or _SENTENCE.search(value) or not any(map(str.isalpha, value)):
        return False
    if len(folded) > 1 and folded[0] in ("no", "none"):
        return False
    named = folded[0] not in _ARTICLES or (len(words) > 1 and words[1][:1].isupper())
    return named and not _SPEAKING & set(folded) and not any(map(str.isdigit, value))


def _outer(paragraphs: list[str]) -> Iterator[str]:
    if len(paragraphs) > 1:
        yield paragraphs[-1]
        yield paragraphs[0]
