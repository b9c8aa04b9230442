"""Answers in tags: `<answer>18</answer>`, `<FINAL_ANSWER>`, `[ANSWER]`, `<|begin_of_box|>`, and tags around a reply."""

import re

_ANSWER = r"(?:final[_ -]?)?answer|final"
_REPLY = r"response|output|solution|conclusion|(?:final_?)?result|final_?(?:output|response)"
_OPENING = re.compile(
    rf"(?<!`)(?:<\s?(?P<answer>{_ANSWER})(?:\s[^<>\n]{{0,60}})?>|<\s?(?P<reply>{_REPLY})\s?>"
    rf"|\[(?P<bracket>(?:final[_ ]?)?answer)\](?!\()"
    r"|<\|begin_of_(?P<token>box|answer)\|>|<\|begin_of_(?P<solution>solution)\|>|<\|START_(?P<cohere>RESPONSE|TEXT)\|>"
    r"|<\|open\|>\s?(?P<kimi>response)\s?<\|sep\|>)(?!`)",
    re.IGNORECASE,
)
_CLOSING = {
    "answer": r"<\s?/\s?{}\s?>",
    "reply": r"<\s?/\s?{}\s?>",
    "bracket": r"\[/{}\]",
    "token": r"<\|end_of_{}\|>",
    "solution": r"<\|end_of_{}\|>",
    "cohere": r"<\|END_{}\|>",
    "kimi": r"<\|close\|>\s?{}\s?<\|sep\|>",
}
_HOLDS_ANSWER = frozenset(("answer", "bracket", "token"))
_MAX_TAGS = 16


def open_answer_tags(reply: str) -> tuple[str, bool]:
    """The text in the last tag that holds any, and whether that text is an answer; without tags the reply itself.

    A tag that is never closed reaches to the end, since its closing tag may have been the stop string. A box after the
    tag, or for a tag around a reply an announced answer after it, is a later answer: then the reply is returned.
    """
    is_answer = False
    for _ in range(_MAX_TAGS):
        found = _find_last_tag(reply)
        if found is None:
            break
        content, after, holds_answer = found
        if "\\boxed{" in after or (not holds_answer and "answer" in after.casefold()):
            break
        reply, is_answer = content, is_answer or holds_answer
    return reply, is_answer


def _find_last_tag(reply: str) -> tuple[str, str, bool] | None:
    if "<" not in reply and "[" not in reply:
        return None
    for opening in reversed([*_OPENING.finditer(reply)][-_MAX_TAGS:]):
        kind = str(opening.lastgroup)
        pattern = _CLOSING[kind].format(re.escape(opening[kind]))
        closing = re.compile(pattern, re.IGNORECASE).search(reply, opening.end())
        content = reply[opening.end() : closing.start() if closing else len(reply)].strip()
        if content:
            return content, reply[closing.end() :] if closing else "", kind in _HOLDS_ANSWER
    return None
