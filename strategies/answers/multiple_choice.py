"""Multiple choice: the letters that a question offers, and the letter that an answer names."""

import re
import unicodedata
from functools import lru_cache
from itertools import takewhile

from cogitate.strategies.answers.answer_labels import LETTER_PREFIX

ANY_LETTER = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
USUAL_LETTERS = "ABCDEFGHIJ"

_OPTION = re.compile(r"^[ \t>*-]*([A-J])[).:]|(?:^|[\s{])\(([A-J])\)|(?<=\s)([A-J])\)", re.MULTILINE)
_DECORATION = re.compile(r"\\(?:text|textbf|mathrm|mathbf)(?![A-Za-z])|[*$`{}\\]")
_EAST_ASIAN = "\u3000-\u30ff\u3400-\u9fff\uac00-\ud7af"
_NAMED = re.compile(
    rf"(?i:{LETTER_PREFIX})"
    rf"(?:[(\[]\s*([A-Za-z])\s*[)\]]|([A-Z])(?=$|[\s).:,;\]'’{_EAST_ASIAN}])|([a-z])(?=\)|[.:]?\s*$))"
    r"(?![).]?\s*(?:,|&|/|and\b|or\b|、|和|或)\s*(?:(?:and|or)\s+)?\(?[A-Z](?:$|\W))"
)
_TRAILING = re.compile(r"[(\[]\s*(?i:option |choice )?([A-J])\s*[)\]][\s.*]*$")
_ALONE = re.compile(r"[\s*_(\[]{0,6}(?:(?i:option|choice)\s)?([A-Ja-j])(?:[)\].:*_]|\s?[-–:](?=\s)){0,4}(?:\s(.*))?$")
_STANDING = re.compile(r"([A-J])(?<![\w'\\][A-J])(?![\w'])(?!(?<=[AI]) [a-z])")
_LIST = r"[A-J](?:\)?(?:,? (?:and|or|nor) |, ?|/| & )(?:option )?\(?[A-J])*\b\)?"
_WRONG = (
    r"wrong|incorrect|false|invalid|impossible|irrelevant|eliminated|excluded|ruled out|out|too \w+|not\b|n't\b"
    r"|unlikely"
    r"|distractors?|implausible|inaccurate|untrue"
)
_CAPTION = r"(?: \([^()\n]{1,60}\))?"
_REJECTED = re.compile(
    rf"(?:\b[Nn]ot|n't|[Rr]ather than|[Ii]nstead of|[Uu]nlike|[Nn]either|[Nn]or|[Ee]liminat\w+|[Rr]ul\w+ out"
    rf"|[Ee]xclud\w+"
    rf"|[Rr]eject\w*|[Dd]iscard\w*|[Oo]ver|[Tt]han) (?:the )?(?:(?:options?|choices?|answers?) )?\(?{_LIST}"
    rf"|\b\(?{_LIST}{_CAPTION}(?: (?:both|all))?(?:(?: (?:is|are|was|were|must be|can be|could be|has been"
    rf"|have been)| 's)"
    rf" (?:both |all |also |clearly |therefore |thus |simply |just |obviously )?(?:{_WRONG})"
    r"|(?: (?:does|do|did|can|could|would|will|has|have|is|are)(?:n't|n’t| not)|(?: cannot| fails?| contradicts?"
    r"| ignores?"
    r"| would (?:give|require|imply)| (?:is|are) (?:about|for)\b)))"
    r"|\b(?:why|where|if|had|suppose) (?:it )?(?:is |were |not )?(?:options? )?\(?[A-J]\b\)?",
)
_TARGET = (
    r"(?:(?:the )?(?:options?|choices?|letters?|answers?) )?[\"'“*(\[$]{0,4}([A-J])(?![\w'’])"
    r"(?! [a-z]{2,} (?:wrong|incorrect))"
)
_CHOSEN = re.compile(
    r"(?:\b(?:[Ss]o|[Tt]hus|[Tt]herefore|[Hh]ence|[Cc]onsequently|[Cc]learly)(?:,| is| it(?:'s| is)| we (?:choose"
    r"|pick|get"
    r"|have|select)| I(?:'d| would)? (?:choose|pick|say|select|go with)| the)?"
    r"|\b(?:must|has to|can only|have to|should|would|seems to|appears to|will) be"
    r"|\b(?:I|[Ww]e)(?:'d|'ll| would| will)? (?:choose|chose|pick|select|go with|went with|say)|\b[Mm]y (?:choice"
    r"|pick) is"
    r"|\b(?:[Cc]orrect|[Rr]ight|[Bb]est|[Ff]inal|[Pp]roper|[Cc]losest) (?:option|choice|letter|one|selection|statement)"
    r"(?: here)?(?::|(?: (?:is|would be|must be|should be|seems to be|appears to be)):?)"
    r"|^[ \t*_]{0,6}(?:[Oo]ption|[Cc]hoice|[Ss]elected|[Cc]onclusion|[Vv]erdict|[Ss]election)[ \t*_]{0,4}:"
    r"|\b(?:matches|corresponds to|leaves(?: us with)?|that is|namely|i\.e\.,?)) ?:? ?"
    rf"{_TARGET}"
    r"|\b(?:[Oo]ption |[Cc]hoice )?[(*]{0,3}([A-J])[)*]{0,3} (?:(?:fits|works|matches|holds|wins)\b|(?:is|must be"
    r"|seems|would be|remains)"
    r" (?:therefore |thus |clearly |indeed |the only |obviously |definitely )?(?:the )?"
    r"(?:correct|right|best|true|answer|only (?:one|option|choice|correct|possib)|closest|one(?! of)))",
    re.MULTILINE,
)


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
    match = _NAMED.match(_DECORATION.sub("", unicodedata.normalize("NFKC", raw)).strip())
    if not match:
        return None
    letter = (match[1] or match[2] or match[3]).upper()
    return letter if letter in offered else None


def parse_trailing_letter(raw: str, offered: str) -> str | None:
    """The letter in brackets at the end of an answer: `Jupiter (B)` gives B."""
    match = _TRAILING.search(raw[-40:])
    return match[1] if match and match[1] in offered and not _NAMED.match(raw) else None


def find_lone_letter(text: str, offered: str, *, with_text: bool = False) -> str | None:
    """The letter of a line that names an option and nothing else: the last line, else the first.

    A reply of one line, or any line `with_text`, may also give the option's text. The only letter may be small: `b. 4`.
    """
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    if not lines:
        return None
    for line in (lines[-1], lines[0]):
        match = _ALONE.match(line[:300])
        if (
            match
            and match[1].upper() in offered
            and _is_option_line(line, match, alone=len(lines) == 1, with_text=with_text)
        ):
            return match[1].upper()
    return None


def find_chosen_letter(text: str, offered: str) -> str | None:
    """The last letter that a conclusion names: `So B.`, `It must be D, not C`, `Option B is correct`."""
    text = _reject(text)
    letters = [mark[1] or mark[2] for mark in _CHOSEN.finditer(text)]
    return next((letter for letter in reversed(letters) if letter in offered), None)


def find_last_letter(text: str, offered: str = USUAL_LETTERS) -> str | None:
    """The last capital that stands alone, without the article A, the pronoun I and letters that the text rejects."""
    return next((letter for letter in reversed(_STANDING.findall(_reject(text))) if letter in offered), None)


@lru_cache(maxsize=4)
def _reject(text: str) -> str:
    """The text without letters that it calls wrong."""
    return _REJECTED.sub(lambda mark: re.sub(r"\b[A-J]\b", "_", mark[0]), text)


def _is_option_line(line: str, match: re.Match[str], *, alone: bool, with_text: bool) -> bool:
    """Whether the line names an option: a letter by itself, or with its mark and text."""
    is_capital = match[1].isupper()
    if not (match[2] or "").strip():
        return alone or is_capital or not line.isalpha()
    marked = not re.match(r"[\s*_]*[A-Ja-j]\s(?![-–:]\s)", line)
    return marked and (alone or (with_text and is_capital))
