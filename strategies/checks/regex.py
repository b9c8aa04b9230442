"""Clients' regular expressions, matched in time linear in the text by Rust's regex engine, which pydantic-core ships.

The engine has no look-around and no back-references. Linear still means text times pattern, and a short pattern may
compile to millions of states: both are limited.
"""

import re
from dataclasses import dataclass
from functools import lru_cache

from pydantic_core import SchemaError, SchemaValidator, ValidationError, core_schema

MAX_PATTERN_CHARACTERS = 512
MAX_TEXT_CHARACTERS = 20_000
MAX_STATES = 1000
UNICODE_CLASS_STATES = 20
"""States counted for a Unicode class such as \\w, which has hundreds and takes a millisecond to compile."""
_UNICODE_CLASS = re.compile(r"\\[wWdDsSbBpP]")
_TOKEN = re.compile(
    r"\\[pPx]\{[^}]*\}|\\.|\[\^?\]?(?:\\.|[^\]])*\]|\{(?P<min>\d{1,9})(?:,(?P<max>\d{0,9}))?\}|[()]|.", re.S
)


@dataclass(frozen=True, slots=True)
class Pattern:
    """A compiled pattern. Raises ValueError for an invalid pattern and for one above the limits."""

    source: str

    def __post_init__(self) -> None:
        if len(self.source) > MAX_PATTERN_CHARACTERS:
            raise ValueError(f"pattern too long: at most {MAX_PATTERN_CHARACTERS} characters")
        if self.states > MAX_STATES:
            raise ValueError(f"pattern too large: at most {MAX_STATES} states, counted repetitions multiplied out")
        compile_pattern(self.source)

    @property
    def states(self) -> int:
        """The estimated number of states."""
        return estimate_states(self.source)

    def is_match(self, text: str) -> bool:
        """Whether the pattern matches somewhere in the text; False for a text above MAX_TEXT_CHARACTERS."""
        if len(text) > MAX_TEXT_CHARACTERS:
            return False
        try:
            compile_pattern(self.source).validate_python(text)
        except ValidationError:
            return False
        return True


@lru_cache(maxsize=64)
def compile_pattern(source: str) -> SchemaValidator:
    """Compile a pattern. Raises ValueError with the engine's reason."""
    try:
        return SchemaValidator(core_schema.str_schema(pattern=source, regex_engine="rust-regex"))
    except SchemaError as error:
        reason = [line.strip() for line in str(error).splitlines() if line.strip()][-1]
        raise ValueError(f"invalid pattern in Rust regex syntax: {reason}") from None


@lru_cache(maxsize=64)
def estimate_states(source: str) -> int:
    """Estimate the states of a pattern.

    A character is one state, a Unicode class UNICODE_CLASS_STATES, and a counted repetition multiplies its operand.
    """
    sums, last = [0], 0
    for token in _TOKEN.finditer(source):
        if token[0] == "(":
            sums.append(0)
        elif token[0] == ")" and len(sums) > 1:
            last = sums.pop()
            sums[-1] += last
        elif token["min"]:
            times = max(int(token["min"]), int(token["max"] or 0), 1)
            sums[-1] += last * (times - 1)
            last *= times
        else:
            last = max(1, UNICODE_CLASS_STATES * len(_UNICODE_CLASS.findall(token[0])))
            sums[-1] += last
    return sum(sums)
