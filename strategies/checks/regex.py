"""Regular expressions that clients send, by an engine whose time is linear in the text: pydantic's, which is Rust's.

It knows no look-around and no back-references. Linear is still the text times the pattern, and a pattern of a few signs
may stand for millions: both are bounded.
"""

import re
from dataclasses import dataclass
from functools import lru_cache

from pydantic_core import SchemaError, SchemaValidator, ValidationError, core_schema

MAX_PATTERN_CHARACTERS = 512
MAX_TEXT_CHARACTERS = 20_000
MAX_STATES = 1000
UNICODE_CLASS_STATES = 20
"""What a class of Unicode's weighs, such as \\w: it is hundreds of states, which take a millisecond to build."""
_LETTERS = re.compile(r"\\[wWdDsSbBpP]")
_SIGN = re.compile(
    r"\\[pPx]\{[^}]*\}|\\.|\[\^?\]?(?:\\.|[^\]])*\]|\{(?P<least>\d{1,9})(?:,(?P<most>\d{0,9}))?\}|[()]|.", re.S
)


@dataclass(frozen=True, slots=True)
class Pattern:
    """Raises ValueError for what is none, or would take too long."""

    source: str

    def __post_init__(self) -> None:
        if len(self.source) > MAX_PATTERN_CHARACTERS or self.states > MAX_STATES:
            raise ValueError(
                f"may be {MAX_PATTERN_CHARACTERS} signs long, and {MAX_STATES} with its counted repetitions"
            )
        compile_pattern(self.source)

    @property
    def states(self) -> int:
        """About how many states it has."""
        return estimate_states(self.source)

    def is_match(self, text: str) -> bool:
        """Whether some of the text matches; in a text longer than LONGEST_TEXT nothing does."""
        if len(text) > MAX_TEXT_CHARACTERS:
            return False
        try:
            compile_pattern(self.source).validate_python(text)
        except ValidationError:
            return False
        return True


@lru_cache(maxsize=64)
def compile_pattern(source: str) -> SchemaValidator:
    try:
        return SchemaValidator(core_schema.str_schema(pattern=source, regex_engine="rust-regex"))
    except SchemaError as error:
        reason = [line.strip() for line in str(error).splitlines() if line.strip()][-1]
        raise ValueError(f"is no pattern that is understood here: {reason}") from None


@lru_cache(maxsize=64)
def estimate_states(source: str) -> int:
    """Each sign is one state, a class of Unicode's LETTERS, and a counted repetition multiplies what it repeats."""
    sums, last = [0], 0
    for sign in _SIGN.finditer(source):
        if sign[0] == "(":
            sums.append(0)
        elif sign[0] == ")" and len(sums) > 1:
            last = sums.pop()
            sums[-1] += last
        elif sign["least"]:
            times = max(int(sign["least"]), int(sign["most"] or 0), 1)
            sums[-1] += last * (times - 1)
            last *= times
        else:
            last = max(1, UNICODE_CLASS_STATES * len(_LETTERS.findall(sign[0])))
            sums[-1] += last
    return sum(sums)
