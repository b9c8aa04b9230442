"""Decimal numbers inside text. Works on digits as strings: `int` refuses 4,301 digits and `float` rounds."""

import re
from decimal import Context, Decimal

_INTEGER = r"(?:[0-9]{1,3}(?:,[0-9]{3})+(?![0-9])|[0-9]+)"
_DECIMAL = rf"(?:{_INTEGER}(?:\.[0-9]+)?|\.[0-9]+)(?:[eE][-+]?[0-9]{{1,2}}(?![0-9A-Za-z]))?"
_NUMBER = re.compile(
    rf"(?P<sign>(?<![\w)\]}}.^_])(?<![\^_]\{{)-[ ]?)?(?<![\w.^_])(?<![\^_][-{{])(?<!\^\{{-)"
    rf"(?:(?:(?P<whole>{_INTEGER})[ ]?)?\\[dt]?frac\{{(?P<top>-?[0-9]+)\}}\{{(?P<bottom>-?[0-9]+)\}}"
    rf"|(?:(?P<units>{_INTEGER})[ ])?(?P<over>[0-9]+)[ ]?/[ ]?(?P<under>[0-9]+)(?![0-9/])"
    rf"|(?P<decimal>{_DECIMAL}))(?:[ ]?\\?%)?"
)
_NEAR_END = 500
_LONGEST = 2_000
"""Characters before the last digit, among which the last number is looked for."""
_LITERAL = re.compile(r"([-+]?)([0-9]*)(?:\.([0-9]*))?")
_SCIENTIFIC = re.compile(r"[-+]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)[eE][-+]?[0-9]{1,2}")
_POWER_OF_TEN = re.compile(
    r"(?<![0-9.])(?:([0-9.]+)\s*(?:\\times|\\cdot|[*x])\s*)?(?<![0-9.])10\^\{?([-+]?[0-9]{1,2})(?![0-9])\}?"
)
_SCALE = re.compile(r"(?<=[0-9])\s*(thousand|million|billion|trillion)\b", re.IGNORECASE)
_ZEROS = {"thousand": 3, "million": 6, "billion": 9, "trillion": 12}
_PLAIN = re.compile(r"-?[0-9]+(?:\.[0-9]+)?")
_EXACT_ENOUGH = Context(prec=50, traps=[])


def literal(text: str) -> str | None:
    """The one spelling of a decimal literal (`+18.0` and `18` are `18`), or None if `text` is not one."""
    if _SCIENTIFIC.fullmatch(text):
        text = format(Decimal(text), "f")
    match = _LITERAL.fullmatch(text)
    if not match or not (match[2] or match[3]):
        return None
    whole, part = match[2].lstrip("0") or "0", (match[3] or "").rstrip("0")
    size = f"{whole}.{part}" if part else whole
    return f"-{size}" if match[1] == "-" and size != "0" else size


def numeric(key: str) -> Decimal | None:
    """The number a key is, if it is one: `10%`, `1/2` and `x` are not."""
    return Decimal(key) if _PLAIN.fullmatch(key) else None


def last_number(text: str) -> str | None:
    """The last number as it is written, thousands, fraction and percent sign included."""
    end = max(map(text.rfind, "0123456789")) + len("0}%%")
    far = max(text.rfind(border, 0, max(end - _LONGEST, 0)) for border in "\n ,/[{") + 1
    near = text.rfind("\n", 0, max(end - _NEAR_END, 0)) + 1
    # No number goes on over the end of a line: what the last lines hold is read first, and mostly alone.
    for start in (max(near, far), far) if end >= len("0}%%") else ():
        if found := [number[0] for number in _NUMBER.finditer(text, start, end)]:
            return found[-1].strip()
    return None


def first_value(text: str) -> str | None:
    """The first number of an answer as a plain decimal, read after the last `=` where one stands there."""
    text = _POWER_OF_TEN.sub(lambda power: f"{power[1] or 1}e{power[2]}", text)
    text = _SCALE.sub(lambda scale: f"e{_ZEROS[scale[1].casefold()]}", text)
    match = _NUMBER.search(text.rpartition("=")[2]) or _NUMBER.search(text)
    return _value(match) if match else None


def _value(match: re.Match[str]) -> str | None:
    sign = "-" if match["sign"] else ""
    if match["decimal"]:
        return literal(sign + match["decimal"].replace(",", ""))
    top, bottom = Decimal(match["top"] or match["over"]), Decimal(match["bottom"] or match["under"])
    whole = Decimal((match["whole"] or match["units"] or "0").replace(",", ""))
    total = _EXACT_ENOUGH.add(whole, _EXACT_ENOUGH.divide(top, bottom))
    if not total.is_finite():
        return None
    return literal(format(-total if sign else total, "f"))
