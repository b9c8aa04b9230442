"""Answers that a text takes back: `\\boxed{12} is wrong`, `not \\boxed{12}`, `The answer is 12. Wait, no, wrong.`"""

import re

_BAD = (
    r"(?:(?:all |clearly |obviously |definitely |simply )?(?:wrong|incorrect|invalid|impossible|mistaken|false|absurd"
    r"|nonsense|a mistake|an error|too (?:big|small|large|high|low|many|few|much))"
    r"|(?:not|n't) (?:right|correct|possible|valid|the (?:right |correct |final )?answer|it|true|what))"
)
_WRONG = (
    r"(?:(?:all |clearly |obviously |definitely |simply )?(?:wrong|incorrect|mistaken|a mistake|an error)"
    r"|(?:not|n't) (?:quite )?(?:right|correct))(?! (?:to|that|for|about)\b)"
)
_CLOSERS = r"[\s$.,;:!?)*\]\\}_`\"'–—-]{0,12}"
_BOX_IS_BAD = re.compile(
    rf"{_CLOSERS}(?:(?:is|was|would be|must be|seems|can(?:'|no)?t be|looks) {_BAD}"
    r"|(?:isn't|wasn't|is not|can't be|cannot be|can not be) (?:right|correct|possible|valid|it|true|the))",
    re.IGNORECASE,
)
_NEGATION = re.compile(
    r"(?:\b(?:not|rather than|instead of|neither|nor|never)|n['’]t)\b[\s$*(\\:`]{1,8}$", re.IGNORECASE
)
_OPENER = r"(?:wait|no|nope|hmm+|hm|actually|sorry|oops|hold on|oh|but|ah|correction)"
_RETRACTION = re.compile(
    rf"(?:{_OPENER}\b[\s,.!:;…–—-]{{1,5}}){{0,3}}"
    rf"(?:(?:that|this|it)(?:(?:['’]s| is| was| must be| seems| cannot be| can['’]t be) | is|){_WRONG}"
    r"|(?:that|this|it) (?:can['’]?t|cannot|could not|couldn['’]t) be (?:right|correct)"
    r"|(?:scratch|strike|ignore|disregard) that|i (?:made|have made) (?:a|an) (?:\w{1,15} )?(?:mistake|error)"
    r"|i (?:was|am) (?:wrong|mistaken)|my (?:mistake|bad)\b|(?:my|the|this) (?:previous |last |above )?"
    rf"(?:answer|result) (?:is|was) {_WRONG})",
    re.IGNORECASE,
)
_NEGATION_WORDS = ("not", "rather", "instead", "neither", "nor", "never", "n't", "n’t")
_RETRACTION_WORDS = (
    "wrong",
    "correct",
    "mista",
    "error",
    "right",
    "scratch",
    "strike",
    "ignore",
    "disregard",
    "my bad",
)
"""Each match of the expression has one of these: looking for them first is far faster."""
_SENTENCE = re.compile(r"[.!?。！？](?=\s|$)|\n")
_MAX_ANNOUNCEMENTS = 8
_NEAR_CHARACTERS = 240


def is_negated(text: str, start: int) -> bool:
    """Whether the words before `start` negate what is there: `not`, `rather than`, `instead of`."""
    before = text[max(0, start - 30) : start]
    return has_word(before, _NEGATION_WORDS) and bool(_NEGATION.search(before))


def is_called_wrong(text: str, end: int) -> bool:
    """Whether the text goes on after `end` by calling what ended there wrong."""
    return bool(_BOX_IS_BAD.match(text, end))


def find_last_retraction(text: str, announcements: list[int]) -> int:
    """The end of the last sentence that takes back the announced answer right before it; 0 where there is none.

    `announcements` are the offsets at which answers are announced.
    """
    for before in reversed(announcements[-_MAX_ANNOUNCEMENTS:]):
        if not has_word(text[before : before + _NEAR_CHARACTERS], _RETRACTION_WORDS):
            continue
        for mark in _RETRACTION.finditer(text, before, before + _NEAR_CHARACTERS):
            between = text[before : mark.start()]
            sentence = between.rstrip(" \n*_$)\\]}").rstrip(".!?。！？,;:–—-")
            if not _SENTENCE.search(sentence) and len(sentence) < len(between):
                return mark.end()
    return 0


def has_word(text: str, words: tuple[str, ...]) -> bool:
    """Whether any of these lower-case words is in the text, in upper or lower case."""
    lowered = text.lower()
    return any(word in lowered for word in words)
