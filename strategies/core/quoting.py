"""Candidates as another decode is shown them: untrusted text that can neither end its quotation nor pass a verdict."""

import re
from collections.abc import Sequence

from cogitate.strategies.core.types import Completion, Outcome

MAX_QUOTED_CHARACTERS = 24_000
"""Of all candidates in one prompt; each has an equal share, and its end is kept."""
VERDICTS = re.compile(r"(?i)\b(response|judge?ment|winner|candidate)(\W{0,8})(?=\d)")
MARKS = re.compile(r"(?i)<(?=\s*/?\s*candidate)")
CONTROL = re.compile(
    r"<\||<｜|</?s>|\[/?INST\]|<</?SYS>>|</?think>|</?tool_(?:call|response)>|<(?:start|end)_of_turn>|<[be]os>",
    re.IGNORECASE,
)
"""How the tokens are spelt with which the families of models begin and end turns."""


def final_text(completion: Completion) -> str:
    """What a candidate says when it has done thinking: its text, or the calls that it makes."""
    if completion.tool_calls:
        return "\n".join(f"{call.name}({call.arguments})" for call in completion.tool_calls)
    return strip_thinking(completion.text if completion.content is None else completion.content)


def strip_thinking(text: str) -> str:
    """What stands behind the last thought that was ended, and before one that was not."""
    return text.rpartition("</think>")[2].partition("<think>")[0].strip()


def break_control_tokens(text: str) -> str:
    """Without what a chat template may take for the end of a turn: such a token's first sign stands apart."""
    return CONTROL.sub(lambda token: f"{token[0][0]} {token[0][1:]}", text)


def sanitise(text: str, most: int) -> str:
    """The end of a text, with nothing that looks like our marks, like a verdict or like the end of a turn."""
    return MARKS.sub("(", VERDICTS.sub(r"\1 no. ", break_control_tokens(text[-most:])))


def quote_candidates(candidates: Sequence[Outcome]) -> str:
    """What all of them say, numbered from 0."""
    return quote_texts([final_text(candidate.completion) for candidate in candidates])


def quote_texts(texts: Sequence[str]) -> str:
    most = MAX_QUOTED_CHARACTERS // max(1, len(texts))
    shown = (sanitise(text, most) for text in texts)
    return "\n\n".join(f"<candidate {at}>\n{text}\n</candidate {at}>" for at, text in enumerate(shown))
