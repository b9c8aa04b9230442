"""Multiple choice: which letters a question offers, and which letter an answer names."""

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
def options(question: str) -> str:
    """The letters offered, `ABCD` for example; empty unless there are at least A and B."""
    seen = {found[1] or found[2] or found[3] for found in _OPTION.finditer(question)}
    offered = "".join(takewhile(seen.__contains__, USUAL_LETTERS))
    return offered if len(offered) > 1 else ""


def letter(raw: str, offered: str = ANY_LETTER) -> str | None:
    """The one letter an answer opens with: `(B)`, `b)`, `B. Paris`, `option B`; None for `A and C` or `a dog`."""
    named = _NAMED.match(_DECORATION.sub("", raw).strip())
    if not named:
        return None
    found = (named[1] or named[2] or named[3]).upper()
    return found if found in offered else None


def last_letter(text: str, offered: str = USUAL_LETTERS) -> str | None:
    """The last capital standing alone, the article A and the pronoun I left out."""
    return next((found for found in reversed(_STANDING.findall(text)) if found in offered), None)
