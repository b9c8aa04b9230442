"""Reads one value without commas or relations: an expression, an amount, a percentage, digits to a base, or words."""

import re
from decimal import Decimal
from fractions import Fraction

from cogitate.strategies.answers.evaluate import profile
from cogitate.strategies.answers.expression import Node, number, to_node
from cogitate.strategies.answers.expression_parser import parse_expression
from cogitate.strategies.answers.latex import DOLLAR
from cogitate.strategies.answers.units import Unit, is_plain_unit, parse_unit
from cogitate.strategies.answers.values import Amount, Based, Percentage, Scalar, Text, Value

_BOX = r"\\(?:text|mathrm|textrm|mbox|operatorname|textsf|textnormal|rm)\s*\{([^{}]*)\}"
_TEXT_BOX = re.compile(_BOX)
_BOXED_UNIT = re.compile(rf"(.*?[0-9a-zA-Z}})\]!])\s*{_BOX}(?:\s*\^\s*\{{?([23])\}}?)?", re.DOTALL)
_BOXED_RATE = re.compile(rf"(.*?[0-9}})\]])\s*{_BOX}\s*/\s*{_BOX}(?:\s*\^\s*\{{?([23])\}}?)?", re.DOTALL)
_PLAIN_UNIT = re.compile(r"(-?[0-9.,/ ]*[0-9])(\s*)([A-Za-z°µ][A-Za-z°µ ./-]*(?:\^?[23])?)")
_CURRENCY = re.compile(rf"(-?)\s*(?:US\s?|USD\s?)?([{DOLLAR}€£¥₹])\s*(-?)(.+)|(.+?)\s*([€£¥₹{DOLLAR}])")
_ISO_CURRENCY = re.compile(r"(?:USD|EUR|GBP)\s+(?=[0-9])|(?<=[0-9])\s+(?:USD|EUR|GBP)")
_COMPOUND = re.compile(r"([0-9.]+)\s*([A-Za-z]+)")
_BASED = re.compile(r"\(?([0-9A-Fa-f]+)\)?_\{?\(?([0-9]{1,2})\)?\}?|\(?([0-9A-Fa-f]+)\)?_\{?(two|eight|ten|sixteen)\}?")
_BASE_NAMES = {"two": "2", "eight": "8", "ten": "10", "sixteen": "16"}
_SCALED = re.compile(r"(-?[0-9]+(?:\.[0-9]+)?)\s*(thousand|million|billion|trillion)\b\s*", re.IGNORECASE)
_SCALES = {"thousand": 3, "million": 6, "billion": 9, "trillion": 12}
_SIGNS = {DOLLAR: "$", "¥": "yen", "₹": "rupee", "£": "£", "€": "€"}
_TRIGONOMETRIC = re.compile(r"sin|cos|tan|cot|sec|csc")
_ORDINAL = re.compile(r"([1-9][0-9]{0,5})(?:st|nd|rd|th|\\text\{ ?th\}|\^\{?\\text\{ ?(?:st|nd|rd|th)\}\}?)")
_REPEATING = re.compile(r"(-?)([0-9]*)\.([0-9]*)\\(?:overline|bar|dot)\s*(?:\{([0-9]+)\}|([0-9]))")
_WORD = re.compile(r"[^\W\d_]{3}")
_COMMAND_GAP = re.compile(r"(\\[A-Za-z]+)\s+(?=[A-Za-z])")
_GAP = re.compile(r"(?<![0-9])\s+|\s+(?![0-9])")


def open_text_boxes(text: str) -> str:
    """Replace text boxes by their text, except units behind a number: `10 \\text{ or } 20`, `5\\text{ cm}`."""

    def replace_box(box: re.Match[str]) -> str:
        before = text[: box.start()].rstrip()
        is_unit = bool(before) and (before[-1].isalnum() or before[-1] in "})]!/") and parse_unit(box[1]) is not None
        return box[0] if is_unit else f" {box[1].strip()} "

    opened = _TEXT_BOX.sub(replace_box, text)
    return opened if opened == text else re.sub(r" {2,}", " ", opened).strip()


def strip_text_boxes(text: str) -> str:
    """Open all text boxes, those of units too."""
    return _TEXT_BOX.sub(r" \1 ", text)


def read_scalar(text: str) -> Value:
    """The value of a text without commas and relations outside brackets; Text where it is nothing else."""
    text = " ".join(text.split())
    if text.endswith("%") and (node := parse_expression(text[:-1].strip())):
        return Percentage(node)
    if based := _BASED.fullmatch(text):
        digits, base = based[1] or based[3], based[2] or _BASE_NAMES[based[4]]
        if digits.isdecimal() or any(map(str.isdigit, digits)) or len(digits) > 1:
            return Based(digits.upper().lstrip("0") or "0", base)
    if amount := _read_amount(text):
        return amount
    text = text.replace(DOLLAR, "").strip()
    if repeating := _REPEATING.fullmatch(text):
        return Scalar(_to_fraction(repeating))
    if (scaled := _SCALED.fullmatch(text)) and (node := _scale(scaled)):
        return Scalar(node)
    if node := parse_expression(text):
        return Scalar(node)
    return Text(fold(text))


def fold(text: str) -> str:
    """Words without case and needless spaces; what may be mathematics keeps its case."""
    spaced = " ".join(text.split())
    if _is_prose(spaced):
        return spaced.casefold()
    tight = _GAP.sub("", _COMMAND_GAP.sub("\\1\x00", spaced)).replace("\x00", " ")
    return tight.casefold() if "\\" not in tight and _WORD.search(tight) else tight


def _is_prose(text: str) -> bool:
    return all(character.isalpha() or character in " '-." for character in text) and any(
        len(word) > 1 for word in text.split()
    )


def _scale(scaled: re.Match[str]) -> Node | None:
    value = Decimal(scaled[1]).scaleb(_SCALES[scaled[2].casefold()])
    return parse_expression(format(value, "f"))


def _to_fraction(match: re.Match[str]) -> Node:
    """The fraction of a repeating decimal."""
    once, again = match[3], match[4] or match[5]
    value = Fraction(int((match[2] or "0") + once or "0"), 10 ** len(once))
    value += Fraction(int(again), 10 ** len(once) * (10 ** len(again) - 1))
    return to_node(-value if match[1] else value)


def _read_amount(text: str) -> Value | None:
    if (money := _CURRENCY.fullmatch(text)) and (amount := _read_money(money)):
        return amount
    text = text.replace(DOLLAR, "")
    if code := _ISO_CURRENCY.search(text):
        return _to_amount(_ISO_CURRENCY.sub("", text), code[0].strip())
    if rate := _BOXED_RATE.fullmatch(text):
        return _to_amount(rate[1], f"{rate[2].strip()}/{rate[3].strip()}{rate[4] or ''}")
    if boxed := _BOXED_UNIT.fullmatch(text):
        return _to_amount(boxed[1], boxed[2].strip() + (f"^{boxed[3]}" if boxed[3] else ""))
    return _read_unboxed_amount(text)


def _read_unboxed_amount(text: str) -> Value | None:
    if text.endswith("°") and not _TRIGONOMETRIC.search(text):
        return _to_amount(text[:-1], "degree")
    if ordinal := _ORDINAL.fullmatch(text):
        return Amount(number(ordinal[1]), Unit("th"))
    if (plain := _PLAIN_UNIT.fullmatch(text)) and (amount := _read_plain(plain)):
        return amount
    scaled = _SCALED.match(text)
    if scaled and is_plain_unit(rest := text[scaled.end() :]) and (node := _scale(scaled)):
        return _combine(node, parse_unit(rest))
    return read_compound(text)


def _read_money(money: re.Match[str]) -> Value | None:
    sign, body = (money[1] or money[3] or "", money[4]) if money[2] else ("", money[5])
    unit = _SIGNS[money[2] or money[6]]
    if scaled := _SCALED.fullmatch(body.strip()):
        body = format(Decimal(scaled[1]).scaleb(_SCALES[scaled[2].casefold()]), "f")
    words = re.fullmatch(r"([0-9.]+)\s+([A-Za-z][A-Za-z ]*)", body.strip())
    if words and parse_unit(words[2]):  # `$5 per day`, `$18 dollars`
        body = words[1]
    return _to_amount(sign + body.strip(), unit)


def _read_plain(plain: re.Match[str]) -> Value | None:
    digits, gap, words = plain[1], plain[2], plain[3]
    joined = not gap and not re.fullmatch(
        r"(?:[cdkmn]?m|km|kg|mg|g|ml|in|ft|lbs?|oz|hrs?|mins?|sec|°[CF]?)(?:\^?[23])?|°\s?[CF]", words
    )
    return None if joined or not (is_plain_unit(words) or words.startswith("°")) else _to_amount(digits, words)


def _to_amount(body: str, words: str) -> Value | None:
    node, unit = parse_expression(body.strip()), parse_unit(words)
    return None if node is None or unit is None else _combine(node, unit)


def _combine(node: Node, unit: Unit | None) -> Value:
    return Amount(node, unit) if unit and unit.name else Scalar(node)


def read_compound(text: str) -> Value | None:
    """`2 hours 30 minutes`, `5 ft 6 in`: the sum, in the smallest of the units."""
    pairs = [(digits, parse_unit(words)) for digits, words in _COMPOUND.findall(text.replace(" and ", " "))]
    if len(pairs) < 2 or re.sub(r"\s+", "", text.replace(" and ", "")) != "".join(
        re.sub(r"\s+", "", match[0]) for match in _COMPOUND.finditer(text.replace(" and ", " "))
    ):
        return None
    units = [unit for _, unit in pairs if unit and unit.dimension]
    if len(units) < len(pairs) or len({unit.dimension for unit in units}) > 1:
        return None
    smallest = min(units, key=lambda unit: unit.factor)
    total = Fraction(0)
    for digits, unit in pairs:
        values = (node := parse_expression(digits)) and profile(node)
        if not values or values.exact is None or unit is None:
            return None
        total += values.exact * unit.factor
    return Amount(to_node(total / smallest.factor), smallest)
