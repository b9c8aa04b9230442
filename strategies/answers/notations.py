"""What looks like arithmetic and is none: dates, times, ranges, scores, ratios, versions, phone numbers.

A text that may be two of these, or a calculation, is compared as it is written: `10-20` is no `-10`, and `1/2/2024` no
other date. Dates and times of day that can only be one are rewritten in one form.
"""

import re

_MONTHS = ("january", "february", "march", "april", "may", "june", "july", "august", "september", "october") + (
    "november",
    "december",
)
_MONTH = r"(?P<month>jan|feb|mar|apr|may|jun|jul|aug|sept?|oct|nov|dec)(?P<rest>[a-z]*)\.?"
_WEEKDAY = r"(?:(?:mon|tues|wednes|thurs|fri|satur|sun)day,?\s+)?"
_DAY = r"(?P<day>[0-9]{1,2})(?:st|nd|rd|th)?"
_YEAR = r"(?:,?\s+(?P<year>[0-9]{4}))?"
_DATES = (
    re.compile(rf"{_WEEKDAY}{_MONTH}\s+{_DAY}{_YEAR}", re.IGNORECASE),
    re.compile(rf"{_WEEKDAY}(?:the )?{_DAY}\s+(?:of\s+)?{_MONTH}{_YEAR}", re.IGNORECASE),
)
_ISO = re.compile(r"([0-9]{4})[-/.]([0-9]{1,2})[-/.]([0-9]{1,2})")
_NUMERIC_DATE = re.compile(r"([0-9]{1,2})([-/.])([0-9]{1,2})\2([0-9]{4})")
_CLOCK = re.compile(r"([0-9]{1,2})(?::([0-9]{2}))?(?::([0-9]{2}))?([ap])\.?m\.?", re.IGNORECASE)
_NUMBER = r"[0-9]+(?:\.[0-9]+)?"
_CHAIN = re.compile(rf"[-+]?{_NUMBER}(?:[ap]m)?(?:[-:./]{_NUMBER}(?:[ap]m)?)+", re.IGNORECASE)
_FRACTION_OR_NUMBER = re.compile(rf"[-+]?{_NUMBER}(?:/[0-9]+(?:\.[0-9]+)?)?|[-+]?[0-9]+\.[0-9]+")
_RANGE = re.compile(rf"(?:from )?({_NUMBER}|[0-9:]+(?:[ap]m)?) (?:to|through|until) ({_NUMBER}|[0-9:]+(?:[ap]m)?)")
_PHONE = re.compile(r"(?:(\+?[0-9]{1,3})[-. ])?(?:\(([0-9]{3})\) ?|([0-9]{3})[-. ])([0-9]{3})[-. ]([0-9]{4})")
_INTERNATIONAL = re.compile(r"\+[0-9]{1,3}(?:[-. ]\(?[0-9]{1,5}\)?){2,5}")
_GAPS = re.compile(r"\s*([-:/])\s*")
_HALF_OF_DAY = re.compile(r"(?<=[0-9])\s*([ap])\.?\s?m\b\.?", re.IGNORECASE)


def read_notation(text: str) -> str | None:
    """The form in which such a text is compared; None for any other text."""
    text = _HALF_OF_DAY.sub(lambda half: f"{half[1].casefold()}m", text.strip())
    if not 3 <= len(text) <= 60 or not any(map(str.isdigit, text)):
        return None
    return _read_phone(text) or _read_date(text) or _read_clock(text) or _read_chain(text)


def _read_phone(text: str) -> str | None:
    if phone := _PHONE.fullmatch(text):
        return "-".join(part for part in (phone[1], phone[2] or phone[3], phone[4], phone[5]) if part)
    return re.sub(r"[-. ()]+", "-", text) if _INTERNATIONAL.fullmatch(text) else None


def _read_date(text: str) -> str | None:
    for pattern in _DATES:
        if (match := pattern.fullmatch(text)) and (month := _month(match["month"], match["rest"])):
            return _to_date(match["year"], month, int(match["day"]))
    if match := _ISO.fullmatch(text):
        return _to_date(match[1], int(match[2]), int(match[3]))
    if match := _NUMERIC_DATE.fullmatch(text):
        a, b = int(match[1]), int(match[3])
        if a == b or (max(a, b) > 12 >= min(a, b)):
            return _to_date(match[4], min(a, b), max(a, b))
        return f"{a}{match[2]}{b}{match[2]}{match[4]}"
    return None


def _month(start: str, rest: str) -> int | None:
    name = (start + rest).casefold()
    found = [at for at, month in enumerate(_MONTHS, 1) if month.startswith(name[:3])]
    return found[0] if found and (_MONTHS[found[0] - 1].startswith(name) or name == "sept") else None


def _to_date(year: str | None, month: int, day: int) -> str | None:
    if not (1 <= month <= 12 and 1 <= day <= 31):
        return None
    return f"{year}-{month:02}-{day:02}" if year else f"{_MONTHS[month - 1]} {day}"


def _read_clock(text: str) -> str | None:
    match = _CLOCK.fullmatch(text)
    if not match or int(match[1]) > 23:
        return None
    seconds = f":{match[3]}" if match[3] and match[3] != "00" else ""
    return f"{int(match[1])}:{match[2] or '00'}{seconds}{match[4].casefold()}m"


def _read_chain(text: str) -> str | None:
    """Two or more numbers with signs between them, as they are written."""
    if span := _RANGE.fullmatch(text):
        text = f"{span[1]}-{span[2]}"
    tight = _GAPS.sub(r"\1", text).casefold()
    if not _CHAIN.fullmatch(tight) or _FRACTION_OR_NUMBER.fullmatch(tight):
        return None
    return re.sub(r"(?<![0-9.:])0(?=[0-9]:)", "", tight)
