"""Removes a model's reasoning from its output, whatever tags its family writes.

Spellings as in vLLM's reasoning parsers (DeepSeek, Qwen, GLM, Hunyuan, EXAONE, Ernie, MiniMax, Seed, Mistral, Cohere,
Kimi, PLaMo, Gemma, Granite, gpt-oss) and in the prompts of R1-Zero, OpenThinker, Marco-o1 and Reflection. Engines with
a reasoning parser remove them before; others, and models without a parser, do not.
"""

import re
from collections.abc import Iterator
from itertools import islice

_NAME = (
    r"(?:seed:|mm:|ant)?think(?:ing)?|thoughts?|reason(?:ing)?(?:_process)?|rationale|scratchpad|reflection|analysis"
    r"|(?:inner_|internal_)?monologue|chain_of_thought|thought_process|cot|deliberation"
)
_SPECIAL_OPEN = (
    r"<\|(?:begin|start)_(?:of_)?(?:thought|think|thinking|reasoning)\|>|<\|think(?:ing)?\|>|◁think▷|<\|inner_prefix\|>"
    r"|<\|plamo:begin_think:plamo\|>|<\|channel>\s?thought\b|<unused94>(?:thought\b)?|<\|open\|>\s?think\s?<\|sep\|>"
    r"|<\|content_thinking\|>|to=self<\|message\|>"
)
_SPECIAL_CLOSE = (
    r"<\|end_(?:of_)?(?:thought|think|thinking|reasoning)\|>|<\|/think(?:ing)?\|>|◁/think▷|<\|inner_suffix\|>"
    r"|<\|plamo:end_think:plamo\|>|<channel\|>|<unused95>|<\|close\|>\s?think\s?<\|sep\|>|<\|content_text\|>|<\|eom\|>"
)
_CANDIDATE = re.compile(r"<(?=\s?[/|:\w])|\[(?=[/TtRr])|◁|to=self<")
_MARK = re.compile(
    rf"(?:<\s?(?P<open>{_NAME})(?::[^\s<>]{{1,24}})?\s?>|<\s?/\s?(?P<close>{_NAME})(?::[^\s<>]{{1,24}})?\s?>"
    r"|\[(?P<bracket_open>THINK|THINKING|THOUGHTS?|REASONING)\]|\[/(?P<bracket_close>THINK|THINKING|THOUGHTS?"
    r"|REASONING)\]"
    r'|(?P<details_open><details\s[^<>]{0,40}type="reasoning"[^<>]{0,80}>)|(?P<details_close></details>)'
    rf"|(?P<token_open>{_SPECIAL_OPEN})|(?P<token_close>{_SPECIAL_CLOSE}))",
    re.IGNORECASE,
)
_MAX_MARKS = 2_000
_MAX_CANDIDATES = 10_000
"""Brackets that may begin a tag; what follows so many, or so many tags, is read as it is."""
_MAY_STAND_ALONE = frozenset(("think", "reasoning", "bracket", "token"))
"""Families whose closing tag also ends a thought that the prompt opened."""
_CHANNEL = re.compile(r"<\|channel\|>\s?(\w{1,20})[^<\n]{0,80}(?:<\|constrain\|>[^<\n]{0,40})?<\|message\|>")
_CHANNEL_END = re.compile(r"<\|(?:end|return|call|start|channel)\|>")
_BARE_ANALYSIS = re.compile(r"\s{0,9}analysis(?=[A-Z\"'(])")
_GRANITE_THOUGHT = re.compile(r"Here(?:'s| is) my thought process:")
_GRANITE_REPLY = re.compile(r"Here(?:'s| is) my response:")
_TRAILING_ANSWER = re.compile(r"<answer>(?:(?!</?answer>).){1,2000}</answer>\s{0,99}\Z", re.IGNORECASE | re.DOTALL)


def strip_reasoning(text: str) -> str:
    """The text without thoughts. A thought that is never closed hides what follows; a lone closing tag what precedes.

    The answer tag at the very end of a thought that was never closed is shown.
    """
    text = _select_channel(text)
    parts: list[str] = []
    start, opened = 0, ""
    for mark in islice(_find_tags(text), _MAX_MARKS):
        family, closes = _identify(mark)
        if closes and opened in ("", family):
            if not opened and family not in _MAY_STAND_ALONE:
                continue
            if not opened:
                parts.clear()
            start, opened = mark.end(), ""
        elif not closes and not opened:
            parts.append(text[start : mark.start()])
            start, opened = mark.end(), family
    rest = text[start:]
    if opened:
        answer = _TRAILING_ANSWER.search(rest, max(0, len(rest) - 2_100))
        rest = answer[0] if answer else ""
    return "".join((*parts, rest))


def _find_tags(text: str) -> Iterator[re.Match[str]]:
    """Yield the tags; one in backquotes is a word about a tag."""
    for candidate in islice(_CANDIDATE.finditer(text), _MAX_CANDIDATES):
        mark = _MARK.match(text, candidate.start())
        if mark and text[mark.start() - 1 : mark.start()] != "`":
            yield mark


def _identify(mark: re.Match[str]) -> tuple[str, bool]:
    """The family of a tag, and whether it closes. Spellings of `think` may be mixed."""
    kind = str(mark.lastgroup)
    name = mark[kind].casefold()
    closes = kind.endswith("close")
    if kind in ("open", "close"):
        return "think" if "think" in name or name.startswith("thought") else name, closes
    return kind.partition("_")[0], closes


def _select_channel(text: str) -> str:
    """The final channel of gpt-oss, with or without its control tokens, and Granite's response; else the text."""
    channels = [*_CHANNEL.finditer(text)]
    if channels:
        finals = [channel for channel in channels if channel[1] == "final"]
        return _CHANNEL_END.split(text[finals[-1].end() :], maxsplit=1)[0] if finals else ""
    if _BARE_ANALYSIS.match(text):
        return text.rpartition("assistantfinal")[2] if "assistantfinal" in text else ""
    if thought := _GRANITE_THOUGHT.search(text[:2_000]):
        reply = _GRANITE_REPLY.search(text, thought.end())
        return text[reply.end() :] if reply else text[: thought.start()]
    return text
