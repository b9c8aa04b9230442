r"""Units of amounts: `18 dollars`, `18\text{ cm}^2`, `\$18`, `48^\circ`, with the sizes of those that convert."""

import re
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache

MAX_UNIT_CHARACTERS = 60
_NOT_UNIT = re.compile(
    r"\b(?:am|pm|hundred|thousand|million|billion|trillion|dozen|score|half|pi|sqrt|mod|choose|times|plus|minus|over"
    r"|divided|by|and|or|to|through|than|more|less|factorial|remainder|with|is|are|was|if|for|at|on|out|not|the|base"
    r"|percent|sin|cos|tan|ln|log|exp)\b"
)
_GENERIC = re.compile(r"(?:(?:square|cubic|sq|cu)\.? )?units?(?:\^[23])?")
_VARIABLE = re.compile(r"\b[b-z]\b")
_WORDS = re.compile(r"[A-Za-z°$€£¥₹µ'][A-Za-z°$€£¥₹µ' ./-]*(?:\^?[23])?")
_POWERS = {"square": "2", "sq": "2", "cubic": "3", "cu": "3"}
_TAIL = re.compile(r"(?:/| (?:a|an|each|every|in|of|total|left|altogether)\b).*$")
_ABBREVIATED = {"mph": "mile/hour", "kph": "km/hour", "kmh": "km/hour", "mps": "m/second"}

# dimension: (canonical name, factor to the dimension's base) by all spellings
_TABLE = """
length mm 1/1000 millimeter millimetre | cm 1/100 centimeter centimetre | dm 1/10 decimeter | m 1 meter metre
length km 1000 kilometer kilometre | inch 127/5000 in inche | foot 381/1250 ft feet | yard 1143/1250 yd
length mile 201168/125 mi | nm 1/1000000000 nanometer | µm 1/1000000 micrometer
mass mg 1/1000000 milligram | g 1/1000 gram gm | kg 1 kilogram kilo | ton 1000 tonne
ounce ounce 1 oz | pound 16 lb
volume ml 1/1000 milliliter millilitre | cl 1/100 | l 1 liter litre
time millisecond 1/1000 ms | second 1 sec s | minute 60 min | hour 3600 hr h | day 86400 | week 604800 wk
months month 1 | year 12 yr
money cent 1/100 ¢ | dollar 1 $ usd us$ buck
euro euro 1 € eur
sterling £ 1 gbp
yen yen 1 ¥ jpy
rupee rupee 1 ₹ inr
energy joule 1 j | kj 1000 kilojoule | calorie 4184/1000 cal | kcal 4184 kilocalorie
electronvolt ev 1 | kev 1000
force newton 1 | kn 1000 kilonewton
power watt 1 | kw 1000 kilowatt
substance mol 1 mole
temperature kelvin 1
angle degree 1 ° deg
angle radian 1r rad
celsius °c 1 degree-celsius celsius
fahrenheit °f 1 degree-fahrenheit fahrenheit
"""


@dataclass(frozen=True, slots=True)
class Unit:
    """A unit by its usual name, with its dimension and size; a unit that the table does not know is its own."""

    name: str
    dimension: str = ""
    factor: Fraction = Fraction(1)


def _read_table() -> dict[str, Unit]:
    found: dict[str, Unit] = {}
    for line in _TABLE.strip().splitlines():
        dimension, _, rest = line.partition(" ")
        for entry in rest.split("|"):
            name, factor, *synonyms = entry.split()
            size = Fraction(factor.removesuffix("r"))
            unit = Unit(name, dimension if factor[-1] != "r" else "radians", size)
            found |= dict.fromkeys([name, *(each.replace("-", " ") for each in synonyms)], unit)
    return found


_UNITS = _read_table()
_SHORT = frozenset(name for name in _UNITS if len(name) < 3) - set("mglshj")
"""Short names that stand for a unit also in plain text; a single letter may be a variable."""


@lru_cache(maxsize=2048)
def parse_unit(text: str) -> Unit | None:
    """The unit that the words name, boxed or plain; None where they are no unit, a name without power for `units`."""
    cased = " ".join(text.replace("{", "").replace("}", "").replace("^ ", "^").split()).strip(" .")
    words = " ".join(map(_fold_case, cased.split(" ")))
    if not words or len(words) > MAX_UNIT_CHARACTERS or not _WORDS.fullmatch(words):
        return None
    if _GENERIC.fullmatch(words):
        return Unit("")
    if _NOT_UNIT.search(words.replace(".", "").replace("divided by", "")):
        return None
    power = re.search(r"\^?([23])$", words)
    base = words[: power.start()] if power else words
    first, _, rest = base.replace(".", "").partition(" ")
    if first in _POWERS and rest:
        base, exponent = rest, _POWERS[first]
    elif rest in ("squared", "cubed"):
        base, exponent = first, "2" if rest == "squared" else "3"
    else:
        exponent = power[1] if power else ""
    parts = [_to_unit(part, "") for part in re.split(r" ?/ ?| per ", _ABBREVIATED.get(base, base))]
    if len(parts) > 1:
        return Unit("/".join(part.name for part in parts) + (f"^{exponent}" if exponent else ""))
    return _to_unit(base, exponent)


def _fold_case(word: str) -> str:
    """A word without case; a short name that the table does not know keeps it: mW is not MW."""
    folded = word.casefold()
    is_known = folded in _UNITS or folded.rstrip("s") in _UNITS or len(folded.rstrip("^23")) > 3
    return folded if (is_known and word not in ("Mg", "Ml", "ML", "MJ")) or not word.isalpha() else word


def _to_unit(words: str, exponent: str) -> Unit:
    name = " ".join(_singular(word) for word in words.split())
    known = _UNITS.get(name) or _UNITS.get(name.replace(".", ""))
    if known is None:
        return Unit(f"{name}^{exponent}" if exponent else name)
    if not exponent:
        return known
    return Unit(f"{known.name}^{exponent}", f"{known.dimension}^{exponent}", known.factor ** int(exponent))


def _singular(word: str) -> str:
    if word in _UNITS:
        return word
    if word.endswith("ies") and len(word) > 4:
        return f"{word[:-3]}y"
    plural = len(word) > 2 and word.endswith("s") and not word.endswith(("ss", "us", "is"))
    return word[:-1] if plural else word


def is_plain_unit(words: str) -> bool:
    """Whether plain words after a number and a space are a unit: of single letters only few are."""
    bare = words.casefold().replace(".", "").strip()
    first = bare.split()[0] if bare else ""
    if words.strip() in ("m", "g", "s", "L"):
        return True
    long = len(first) > 2 or first in _POWERS or first.rstrip("23").rstrip("^") in _SHORT
    return bool(long) and parse_unit(words) is not None and not _VARIABLE.search(bare.replace("per h", ""))


def may_be_one(a: Unit, b: Unit) -> bool:
    """Whether two units may mean the same amount: `dollars` and `dollars per day`, `apples` and `red apples`."""
    if a.name == b.name:
        return True
    short, long = sorted((a.name, b.name), key=len)
    base = _TAIL.sub("", long)
    if (a.dimension and b.dimension) or "square" in long or "^" in long + short or _is_physical(short):
        return False
    return long.endswith(f" {short}") or long.startswith(f"{short} ") or base == short


def _is_physical(name: str) -> bool:
    unit = _UNITS.get(name)
    return unit is not None and unit.dimension in ("length", "mass", "volume", "angle")
