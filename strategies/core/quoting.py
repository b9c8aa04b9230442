"""Quoting candidates in a prompt: untrusted text that can neither end its quotation nor pass for a verdict."""

import re
from collections.abc import Sequence

from cogitate.strategies.answers.reasoning_tags import strip_reasoning
from cogitate.strategies.core.types import Completion, Outcome

MAX_QUOTED_CHARACTERS = 24_000
"""Characters of all candidates in one prompt. Each has an equal share, of which the end is quoted."""
_VERDICT = re.compile(r"(?i)\b(response|judge?ment|winner|candidate)(\W{0,8})(?=\d)")
_MARK = re.compile(r"(?i)<(?=\s*/?\s*(?:candidate|notes))")
CONTROL_TOKEN = re.compile(
    r"<\||<｜|</?s>|\[/?INST\]|<</?SYS>>|</?think>|</?tool_(?:call|response)>|<(?:start|end)_of_turn>|<[be]os>",
    re.IGNORECASE,
)
"""The spellings of the tokens that begin and end turns, of all model families."""


def final_text(completion: Completion) -> str:
    """Return a candidate's text after its thinking, or its tool calls."""
    if completion.tool_calls:
        return "\n".join(f"{call.name}({call.arguments})" for call in completion.tool_calls)
    return strip_thinking(completion.text if completion.content is None else completion.content)


def strip_thinking(text: str) -> str:
    """Return the text without its thoughts, whatever tags enclose them."""
    return strip_reasoning(text).strip()


def break_control_tokens(text: str) -> str:
    """Return text that no chat template reads control tokens from: their first character is separated by a blank."""
    return CONTROL_TOKEN.sub(lambda token: f"{token[0][0]} {token[0][1:]}", text)


def sanitise(text: str, max_characters: int) -> str:
    """Return the end of a text, without anything like a quotation mark, a verdict or a control token."""
    return _MARK.sub("(", _VERDICT.sub(r"\1 no. ", break_control_tokens(text[-max_characters:])))


def quote_candidates(candidates: Sequence[Outcome]) -> str:
    """Return the final texts of candidates, quoted and numbered from 0."""
    return quote_texts([final_text(candidate.completion) for candidate in candidates])


def quote_texts(texts: Sequence[str], max_characters: int = MAX_QUOTED_CHARACTERS) -> str:
    """Return texts, of at most `max_characters` together, quoted and numbered from 0."""
    share = max_characters // max(1, len(texts))
    quotes = (sanitise(text, share) for text in texts)
    return "\n\n".join(f"<candidate {at}>\n{text}\n</candidate {at}>" for at, text in enumerate(quotes))


def quote_notes(text: str) -> str:
    """Return what a model noted about candidates, quoted: it may repeat their text."""
    return f"<notes>\n{sanitise(text, MAX_QUOTED_CHARACTERS)}\n</notes>"
