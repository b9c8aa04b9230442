"""Detects what a question asks for by its wording, only where that is unambiguous."""

import re
from functools import lru_cache

_MAX_QUESTION_CHARACTERS = 4_000
_QUANTITY = (
    r"(?:value|sum|total|number|amount|difference|product|quotient|remainder|average|mean|median|mode|percent(?:age)?"
    r"|probability|odds|ratio|cost|price|profit|salary|age|area|volume|perimeter|length|width|height|weight|distance"
    r"|speed|score|increase|decrease|earnings|income|discount|allowance|least|greatest|largest|smallest|sides?)"
)
_ASKS = re.compile(
    r"\bhow (?:many|much)\b|\bhow (?:old|long|far|fast|tall|big|heavy|high|deep|wide|large|late)"
    r"(?:,| (?:is|are|was|were|will|would|does|do|did|can|could|must|should|has|have|had)\b)"
    r"|\bround\b.{1,40}\bto the nearest\b"
    r"|\bexpress your answer as an? (?:decimal|integer|whole number|common fraction|mixed number|percent)"
    r"|\b(?:what|which) (?:number|amount|percent(?:age)?|fraction|year)\b"
    r"|\b(?:gcd|lcm|gcf|hcf|greatest common (?:divisor|factor)|least common multiple|factorial)\b"
    r"|(?:^|[\s:(])[-+]?[0-9][0-9.,]*(?:\s?[-+*/^×÷]\s?[-+(]?[0-9][0-9.,]*\)?){1,20}\s?(?:=\s?[?_]{0,9})?\s?$"
    r"|\b(?:what(?:'s| is)|find|evaluate|simplify|work out)\W{1,9}(?:[dt]?frac\{-?[0-9]+\}\{[0-9]"
    r"|[0-9][0-9.,]*\)?\s*(?:[-+*/^x×÷]|\\(?:cdot|times|div)|plus|minus|times|divided by|percent of|% of)\W{0,4}[0-9])"
)
_ASKS_IF_GIVEN_NUMBERS = re.compile(
    r"\b(?:calculate|compute)\b"
    r"|\b(?:what(?:'s| is| was| are| were| will(?: be)?)|find|determine|evaluate|give)(?: \w+(?:'s)?){0,4}? "
    rf"{_QUANTITY}\b"
)
_NUMBERS = re.compile(
    r"[0-9]|\b(?:two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|fifteen|twenty|thirty|fifty|hundred"
    r"|thousand|million|dozen|half|third|quarter|twice|double|thrice|triple)\b"
)
_COMPOSES = re.compile(
    r"(?:^|[.!?\n])\s*(?:please |can you |could you )?"
    r"(?:write|implement|create|draft|compose|generate|design|build|prove|show that)\b(?! (?:your|the|down)\b)"
)
_COLLECTION = re.compile(
    r"\b(?:json|lists?|arrays?|sets?|tuples?|matrix|grid|moves|sequence|partitions?|elements|roots|solutions|all)\b"
    r"|\[|\{"
)
_WORDS = re.compile(
    r"\b(?:who|whom|whose|what|which|when|where|name|true|false|yes|no|capital|word|is|are|does|did|do|can|was|were|has"
    r"|translate|identify|state|give|complete|classify|label|choose|pick|answer)\b|\?"
)
_EXPLAINS = re.compile(r"\b(?:why|explain|describe|discuss|tell me|summari[sz]e|how (?:do|does|can|to|should|would))\b")


@lru_cache(maxsize=64)
def asks_for_number(question: str) -> bool:
    """Whether the answer is clearly one number; False for a task to write or prove something."""
    words = " ".join(question[-_MAX_QUESTION_CHARACTERS:].replace("’", "'").casefold().split())
    if _COMPOSES.search(words):
        return False
    return bool(_ASKS.search(words) or (_NUMBERS.search(words) and _ASKS_IF_GIVEN_NUMBERS.search(words)))


@lru_cache(maxsize=64)
def asks_for_collection(question: str) -> bool:
    """Whether the answer may be a list, a set or JSON, so that an empty one is an answer."""
    return bool(_COLLECTION.search(question[-_MAX_QUESTION_CHARACTERS:].casefold()))


@lru_cache(maxsize=64)
def asks_for_words(question: str) -> bool:
    """Whether a name or a word may be the answer; False for a task to write or to explain something."""
    words = " ".join(question[-_MAX_QUESTION_CHARACTERS:].casefold().split())
    return bool(_WORDS.search(words)) and not _COMPOSES.search(words) and not _EXPLAINS.search(words)
