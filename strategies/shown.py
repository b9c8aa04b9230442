"""Candidates as another decode is shown them: untrusted text that can neither end its quotation nor pass a verdict."""

import re
from collections.abc import Sequence

from strategies.types import Completion, Outcome

CHARACTERS = 24_000
"""Of all candidates in one prompt; each has an equal share, and its end is kept."""
VERDICTS = re.compile(r"(?i)\b(response|judge?ment|winner)(\W{0,8})(?=\d)")
MARKS = re.compile(r"(?i)<(?=\s*/?\s*candidate)")


def reply(completion: Completion) -> str:
    """What a candidate says when it has done thinking: its text, or the calls that it makes."""
    if completion.calls:
        return "\n".join(f"{call.name}({call.arguments})" for call in completion.calls)
    text = completion.text if completion.content is None else completion.content
    return text.rpartition("</think>")[2].partition("<think>")[0].strip()


def harmless(text: str, most: int) -> str:
    """The end of a text, with nothing that looks like our marks or like a verdict."""
    return MARKS.sub("(", VERDICTS.sub(r"\1 no. ", text[-most:]))


def quoted(candidates: Sequence[Outcome]) -> str:
    """All of them, numbered from 0."""
    most = CHARACTERS // max(1, len(candidates))
    return "\n\n".join(
        f"<candidate {at}>\n{harmless(reply(candidate.completion), most)}\n</candidate {at}>"
        for at, candidate in enumerate(candidates)
    )
