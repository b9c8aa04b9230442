"""Regular expressions that clients send, by an engine whose time is linear in the text: pydantic's, which is Rust's.

It knows no look-around and no back-references. Linear is still the text times the pattern, and a pattern of a few signs
may stand for millions: both are bounded.
"""

import re
from dataclasses import dataclass
from functools import lru_cache

from pydantic_core import SchemaError, SchemaValidator, ValidationError, core_schema

LONGEST_PATTERN = 512
LONGEST_TEXT = 20_000
HEAVIEST = 1000
LETTERS = 20
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
        if len(self.source) > LONGEST_PATTERN or self.weight > HEAVIEST:
            raise ValueError(f"may be {LONGEST_PATTERN} signs long, and {HEAVIEST} with its counted repetitions")
        compiled(self.source)

    @property
    def weight(self) -> int:
        """About how many states it has."""
        return weight(self.source)

    def found(self, text: str) -> bool:
        """Whether some of the text matches; in a text longer than LONGEST_TEXT nothing does."""
        if len(text) > LONGEST_TEXT:
            return False
        try:
            compiled(self.source).validate_python(text)
        except ValidationError:
            return False
        return True


@lru_cache(maxsize=64)
def compiled(source: str) -> SchemaValidator:
    try:
        return SchemaValidator(core_schema.str_schema(pattern=source, regex_engine="rust-regex"))
    except SchemaError as error:
        reason = [line.strip() for line in str(error).splitlines() if line.strip()][-1]
        raise ValueError(f"is no pattern that is understood here: {reason}") from None


@lru_cache(maxsize=64)
def weight(source: str) -> int:
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
            last = max(1, LETTERS * len(_LETTERS.findall(sign[0])))
            sums[-1] += last
    return sum(sums)
