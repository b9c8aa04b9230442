"""Decimal numbers in text. Works on strings of digits: `int` refuses 4,301 digits and `float` rounds."""

import re
from decimal import Context, Decimal

_INTEGER = r"(?:[0-9]{1,3}(?:,[0-9]{3})+(?![0-9])|[0-9]+)"
_DECIMAL = rf"(?:{_INTEGER}(?:\.[0-9]+)?|\.[0-9]+)(?:[eE][-+]?[0-9]{{1,2}}(?![0-9A-Za-z]))?"
_NUMBER = re.compile(
    rf"(?P<sign>(?<![\w)\]}}.^_])(?<![\^_]\{{)-[ ]?)?(?<![\w.^_])(?<![\^_][-{{])(?<!\^\{{-)"
    rf"(?:(?:(?P<integer>{_INTEGER})[ ]?)?\\[dt]?frac\{{(?P<top>-?[0-9]+)\}}\{{(?P<bottom>-?[0-9]+)\}}"
    rf"|(?:(?P<units>{_INTEGER})[ ])?(?P<over>[0-9]+)[ ]?/[ ]?(?P<under>[0-9]+)(?![0-9/])"
    rf"|(?P<decimal>{_DECIMAL}))(?:[ ]?\\?%)?"
)
_TAIL_CHARACTERS = 500
_MAX_SEARCHED_CHARACTERS = 2_000
"""Characters before the last digit in which the last number is searched."""
_LITERAL = re.compile(r"([-+]?)([0-9]*)(?:\.([0-9]*))?")
_SCIENTIFIC = re.compile(r"[-+]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)[eE][-+]?[0-9]{1,2}")
_POWER_OF_TEN = re.compile(
    r"(?<![0-9.])(?:([0-9.]+)\s*(?:\\times|\\cdot|[*x])\s*)?(?<![0-9.])10\^\{?([-+]?[0-9]{1,2})(?![0-9])\}?"
)
_SCALE = re.compile(r"(?<=[0-9])\s*(thousand|million|billion|trillion)\b", re.IGNORECASE)
_ZEROS = {"thousand": 3, "million": 6, "billion": 9, "trillion": 12}
_PLAIN = re.compile(r"-?[0-9]+(?:\.[0-9]+)?")
_EXACT_ENOUGH = Context(prec=50, traps=[])
_FLOAT = Context(prec=15, traps=[])


def normalize_literal(text: str) -> str | None:
    """The canonical spelling of a decimal literal (`+18.0` and `18` become `18`); None if `text` is not one."""
    if _SCIENTIFIC.fullmatch(text):
        text = format(Decimal(text), "f")
    match = _LITERAL.fullmatch(text)
    if not match or not (match[2] or match[3]):
        return None
    integer, decimals = match[2].lstrip("0") or "0", (match[3] or "").rstrip("0")
    magnitude = f"{integer}.{decimals}" if decimals else integer
    return f"-{magnitude}" if match[1] == "-" and magnitude != "0" else magnitude


def round_float(literal: str) -> str:
    """The decimal that a program's float stands for: `3.3000000000000003` becomes `3.3`; other decimals are unchanged.

    A literal of 16 or more significant digits that 15 digits round to one of at most 12 is such a float.
    """
    integer, _, decimals = literal.partition(".")
    if not decimals or not 16 <= len((integer + decimals).lstrip("-0")) <= 18:
        return literal
    rounded = normalize_literal(format(_FLOAT.create_decimal(literal), "f")) or literal
    return rounded if len(rounded.replace(".", "").lstrip("-0")) <= 12 else literal


def to_decimal(key: str) -> Decimal | None:
    """The value of a key that is a decimal number; None for others, such as `10%`, `1/2` and `x`."""
    return Decimal(key) if _PLAIN.fullmatch(key) else None


def find_last_number(text: str) -> str | None:
    """The last number as written, with thousands separators, fraction and percent sign; None where there is none."""
    end = max(map(text.rfind, "0123456789")) + len("0}%%")
    far = max(text.rfind(border, 0, max(end - _MAX_SEARCHED_CHARACTERS, 0)) for border in "\n ,/[{") + 1
    near = text.rfind("\n", 0, max(end - _TAIL_CHARACTERS, 0)) + 1
    # No number continues over the end of a line: the last lines are searched first, and mostly suffice.
    for start in (max(near, far), far) if end >= len("0}%%") else ():
        if matches := [number[0] for number in _NUMBER.finditer(text, start, end)]:
            return matches[-1].strip()
    return None


_MAX_EQUATION_CHARACTERS = 500
_ZERO = re.compile(r"[\s$]*0[\s$.]*")
_VARIABLE = re.compile(r"(?<![A-Za-z\\])[A-Za-z](?![A-Za-z])")
_OPERATOR = re.compile(r"\d(?:[-+*^\u2212]| ?[A-Za-z])|[-+*^\u2212] ?\d")
_LINE = re.compile(
    r"(?<![A-Za-z\\])[A-Za-z]\s*[-+\u2212]\s*[\d\\]|\d\s*[-+\u2212]\s*\d{0,9}\s*\*?\s*[A-Za-z](?![A-Za-z])"
)
_SIDE = re.compile(r"(?:[\s\d.,+*/^(){}$\u2212-]|\\[a-z]{1,9}|(?<![A-Za-z])[A-Za-z](?![A-Za-z]))*")


def is_equation(text: str) -> bool:
    """Whether a text is an equation in variables, `2x+y-3=0` or `y=2x+1`, unlike the value `x+y=7`."""
    left, equals, right = text[:_MAX_EQUATION_CHARACTERS].rpartition("=")
    is_implicit = _ZERO.fullmatch(right) and _VARIABLE.search(left) and _OPERATOR.search(left)
    return bool(equals and (is_implicit or (_LINE.search(right) and _SIDE.fullmatch(right))))


def parse_first_number(text: str) -> str | None:
    """The first number of an answer as a plain decimal, after the last `=` where a number follows it."""
    text = _POWER_OF_TEN.sub(lambda power: f"{power[1] or 1}e{power[2]}", text)
    text = _SCALE.sub(lambda scale: f"e{_ZEROS[scale[1].casefold()]}", text)
    match = _NUMBER.search(text.rpartition("=")[2]) or _NUMBER.search(text)
    return _to_literal(match) if match else None


def _to_literal(match: re.Match[str]) -> str | None:
    sign = "-" if match["sign"] else ""
    if match["decimal"]:
        return normalize_literal(sign + match["decimal"].replace(",", ""))
    top, bottom = Decimal(match["top"] or match["over"]), Decimal(match["bottom"] or match["under"])
    integer = Decimal((match["integer"] or match["units"] or "0").replace(",", ""))
    total = _EXACT_ENOUGH.add(integer, _EXACT_ENOUGH.divide(top, bottom))
    if not total.is_finite():
        return None
    return normalize_literal(format(-total if sign else total, "f"))
