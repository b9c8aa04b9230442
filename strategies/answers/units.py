"""Units after a number: `18 dollars per day` and `18\\text{ cm}^2` count as 18, `10 \\text{ or } 20` does not."""

import re

_TEXT = r"\\(?:text|mathrm|textrm|mbox|operatorname)\s*\{([^{}]*)\}"
_TEXT_UNIT = re.compile(rf"(?:(?<=[0-9}}%])|(?<=\\pi))\s*{_TEXT}(?:\^\{{?[0-9]\}}?)?(?=\s*(?:$|[,;)\]]|\\\}}|\.$))")
_TEXT_BOX = re.compile(_TEXT)
_NUMBER_AND_WORDS = re.compile(r"([-+]?[0-9][0-9.,/]*(?: [0-9]+/[0-9]+)?)\s+([A-Za-z][A-Za-z ./-]*?)\.?")
_SHORT_UNIT = re.compile(r"(?:[cdkm]m|[km]g|[cm]l|ft|in|yd|mi|oz|lb|hr)\b")
_NOT_UNIT = re.compile(
    r"\b(?:am|pm|hundred|thousand|million|billion|trillion|dozen|score|half|pi|sqrt|mod|choose|times|plus|minus|over"
    r"|divided|by|squared|cubed|and|or|to|through|than|more|less|factorial|remainder|with)\b"
)
_HALF_OF_DAY = re.compile(r"(?<=[0-9])\s*([ap])\.?m\b\.?", re.IGNORECASE)
_VARIABLE = re.compile(r"\b[b-z]\b")


def strip_units(text: str) -> str:
    """Removes boxed units and opens other text boxes; `4:30 P.M.` keeps its `pm`."""
    text = _TEXT_BOX.sub(r"\1", _TEXT_UNIT.sub(_replace_text_box, text))
    return _HALF_OF_DAY.sub(lambda half: f"{half[1].casefold()}m", text)


def strip_trailing_unit(text: str) -> str:
    """The number of a text that is a number and unit words; any other text unchanged."""
    match = _NUMBER_AND_WORDS.fullmatch(text)
    return match[1].rstrip(".,/") if match and _is_unit(match[2]) else text


def _replace_text_box(box: re.Match[str]) -> str:
    return f" {box[1].strip()}" if _NOT_UNIT.search(_plain(box[1])) else ""


def _is_unit(words: str) -> bool:
    plain = _plain(words)
    known = len(plain.split()[0]) > 2 or _SHORT_UNIT.match(plain)
    return bool(known) and not _NOT_UNIT.search(plain) and not _VARIABLE.search(plain)


def _plain(words: str) -> str:
    return words.casefold().replace(".", "")
