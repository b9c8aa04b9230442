"""Multiple choice: the letters that a question offers, and the letter that an answer names."""

import re
from functools import lru_cache
from itertools import takewhile

ANY_LETTER = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
USUAL_LETTERS = "ABCDEFGHIJ"

_OPTION = re.compile(r"^[ \t>*-]*([A-J])[).:]|(?:^|[\s{])\(([A-J])\)|(?<=\s)([A-J])\)", re.MULTILINE)
_DECORATION = re.compile(r"\\(?:text|textbf|mathrm|mathbf)(?![A-Za-z])|[*$`{}\\]")
_NAMED = re.compile(
    r"(?:(?:the )?(?:[Oo]ption|[Cc]hoice|[Ll]etter)\s+)?"
    r"(?:[(\[]\s*([A-Za-z])\s*[)\]]|([A-Z])(?=$|[\s).:,;\]])|([a-z])(?=\)|[.:]?\s*$))"
    r"(?![).]?\s*(?:,|&|/|and\b|or\b)\s*(?:(?:and|or)\s+)?\(?[A-Z](?:$|\W))"
)
_STANDING = re.compile(r"([A-J])(?<![\w'\\][A-J])(?![\w'])(?!(?<=[AI]) [a-z])")


@lru_cache(maxsize=64)
def option_letters(question: str) -> str:
    """The letters that a question offers, for example `ABCD`; empty unless at least A and B are offered."""
    letters = {match[1] or match[2] or match[3] for match in _OPTION.finditer(question)}
    offered = "".join(takewhile(letters.__contains__, USUAL_LETTERS))
    return offered if len(offered) > 1 else ""


def parse_letter(raw: str, offered: str = ANY_LETTER) -> str | None:
    """The single letter that an answer starts with.

    `(B)`, `b)`, `B. Paris` and `option B` give B; `A and C` and `a dog` give None.
    """
    match = _NAMED.match(_DECORATION.sub("", raw).strip())
    if not match:
        return None
    letter = (match[1] or match[2] or match[3]).upper()
    return letter if letter in offered else None


def find_last_letter(text: str, offered: str = USUAL_LETTERS) -> str | None:
    """The last capital that stands alone, without the article A and the pronoun I; None where there is none."""
    return next((letter for letter in reversed(_STANDING.findall(text)) if letter in offered), None)
