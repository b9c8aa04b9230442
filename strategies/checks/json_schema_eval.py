"""One value against one schema, in a bounded number of steps: both come from outside."""

import json
import operator
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction

from cogitate.strategies.checks.regex import Pattern
from cogitate.strategies.checks.schema_refs import resolve_pointer

MAX_STEPS = 10_000
CHARACTERS_PER_STEP = 10_000
"""What a pattern reads in one step: its own weight times the text's length."""
MAX_DEPTH = 100
"""Checks within each other."""
TYPES: Mapping[str, Callable[[object], bool]] = {
    "null": lambda value: value is None,
    "boolean": lambda value: isinstance(value, bool),
    "integer": lambda value: isinstance(value, int) and not isinstance(value, bool),
    "number": lambda value: isinstance(value, int | float) and not isinstance(value, bool),
    "string": lambda value: isinstance(value, str),
    "array": lambda value: isinstance(value, list),
    "object": lambda value: isinstance(value, dict),
}
NUMBER_KEYWORDS: Mapping[str, Callable[[float, float], bool]] = {
    "minimum": operator.ge,
    "maximum": operator.le,
    "exclusiveMinimum": operator.gt,
    "exclusiveMaximum": operator.lt,
    "multipleOf": lambda value, of: Fraction(str(value)) % Fraction(str(of)) == 0,
}
SIZE_KEYWORDS: Mapping[str, tuple[type, Callable[[int, int], bool]]] = {
    "minLength": (str, operator.ge),
    "maxLength": (str, operator.le),
    "minItems": (list, operator.ge),
    "maxItems": (list, operator.le),
    "minProperties": (dict, operator.ge),
    "maxProperties": (dict, operator.le),
}


def as_list(argument: object) -> Sequence[object]:
    return argument if isinstance(argument, list) else [argument]


class StepLimitExceeded(Exception):
    """The check took more steps than it may."""


@dataclass(slots=True)
class Evaluation:
    root: Mapping[str, object]
    left: int = MAX_STEPS

    def fits(self, value: object, schema: object, depth: int) -> bool:
        """Raises Exhausted."""
        self.spend(1)
        if depth > MAX_DEPTH:
            raise StepLimitExceeded
        if not isinstance(schema, Mapping):
            return schema is not False
        return all(self.holds(keyword, argument, value, schema, depth + 1) for keyword, argument in schema.items())

    def holds(self, keyword: str, argument: object, value: object, schema: Mapping[str, object], depth: int) -> bool:
        """Whether one keyword is satisfied; one that is about another kind of value always is."""
        if keyword in NUMBER_KEYWORDS and isinstance(argument, int | float):
            if isinstance(value, bool) or not isinstance(value, int | float):
                return True
            return NUMBER_KEYWORDS[keyword](value, argument)
        if keyword in SIZE_KEYWORDS and isinstance(argument, int):
            kind, fits = SIZE_KEYWORDS[keyword]
            return not isinstance(value, kind) or not isinstance(value, str | list | dict) or fits(len(value), argument)
        return keyword not in APPLIED or APPLIED[keyword](self, argument, value, schema, depth)

    def spend(self, steps: int) -> None:
        self.left -= steps
        if self.left < 0:
            raise StepLimitExceeded

    def found(self, pattern: str, text: str) -> bool:
        expression = Pattern(pattern)
        self.spend(1 + expression.states * len(text) // CHARACTERS_PER_STEP)
        return expression.is_match(text)

    def spelt(self, value: object) -> str:
        """One spelling for what is equal."""
        text = json.dumps(value, sort_keys=True)
        self.spend(1 + len(text) // CHARACTERS_PER_STEP)
        return text

    def sorts(self, value: object, schemas: object, depth: int) -> Iterator[bool]:
        return (self.fits(value, inner, depth) for inner in as_list(schemas))

    def others(self, value: Mapping[str, object], schema: Mapping[str, object]) -> list[object]:
        """The values of those properties that no other keyword of the schema speaks of."""
        named, patterns = schema.get("properties"), schema.get("patternProperties")
        names = named if isinstance(named, Mapping) else {}
        sources = patterns if isinstance(patterns, Mapping) else {}
        return [
            held
            for name, held in value.items()
            if name not in names and not any(self.found(source, name) for source in sources)
        ]


Rule = Callable[[Evaluation, object, object, Mapping[str, object], int], bool]


def _type(check: Evaluation, argument: object, value: object, schema: Mapping[str, object], depth: int) -> bool:
    return any(TYPES[str(kind)](value) for kind in as_list(argument))


def _enum(check: Evaluation, argument: object, value: object, schema: Mapping[str, object], depth: int) -> bool:
    own = check.spelt(value)
    return any(check.spelt(other) == own for other in as_list(argument))


def _reference(check: Evaluation, argument: object, value: object, schema: Mapping[str, object], depth: int) -> bool:
    return check.fits(value, check.root if argument == "#" else resolve_pointer(check.root, str(argument)), depth)


def _choice(check: Evaluation, argument: object, value: object, schema: Mapping[str, object], depth: int) -> bool:
    """if, then and else."""
    return check.fits(value, schema.get("then" if check.fits(value, argument, depth) else "else", True), depth)


def _unique(check: Evaluation, argument: object, value: object, schema: Mapping[str, object], depth: int) -> bool:
    return argument is not True or not isinstance(value, list) or len(set(map(check.spelt, value))) == len(value)


def _items(check: Evaluation, argument: object, value: object, schema: Mapping[str, object], depth: int) -> bool:
    before = len(as_list(schema.get("prefixItems", [])))
    return not isinstance(value, list) or all(check.fits(item, argument, depth) for item in value[before:])


def _first_items(check: Evaluation, argument: object, value: object, schema: Mapping[str, object], depth: int) -> bool:
    pairs = zip(value, as_list(argument), strict=False) if isinstance(value, list) else ()
    return all(check.fits(item, inner, depth) for item, inner in pairs)


def _contains(check: Evaluation, argument: object, value: object, schema: Mapping[str, object], depth: int) -> bool:
    return not isinstance(value, list) or any(check.fits(item, argument, depth) for item in value)


def _properties(check: Evaluation, argument: object, value: object, schema: Mapping[str, object], depth: int) -> bool:
    if not isinstance(value, dict) or not isinstance(argument, Mapping):
        return True
    return all(check.fits(value[name], inner, depth) for name, inner in argument.items() if name in value)


def _alike(check: Evaluation, argument: object, value: object, schema: Mapping[str, object], depth: int) -> bool:
    """patternProperties."""
    if not isinstance(value, dict) or not isinstance(argument, Mapping):
        return True
    pairs = [(held, inner) for source, inner in argument.items() for n, held in value.items() if check.found(source, n)]
    return all(check.fits(held, inner, depth) for held, inner in pairs)


def _others(check: Evaluation, argument: object, value: object, schema: Mapping[str, object], depth: int) -> bool:
    others = check.others(value, schema) if isinstance(value, dict) else []
    return all(check.fits(held, argument, depth) for held in others)


def _names(check: Evaluation, argument: object, value: object, schema: Mapping[str, object], depth: int) -> bool:
    return not isinstance(value, dict) or all(check.fits(name, argument, depth) for name in value)


APPLIED: Mapping[str, Rule] = {
    "type": _type,
    "enum": _enum,
    "const": lambda check, argument, value, schema, depth: check.spelt(argument) == check.spelt(value),
    "pattern": lambda check, argument, value, schema, depth: (
        not isinstance(value, str) or check.found(str(argument), value)
    ),
    "required": lambda check, argument, value, schema, depth: (
        not isinstance(value, dict) or all(name in value for name in as_list(argument))
    ),
    "uniqueItems": _unique,
    "$ref": _reference,
    "allOf": lambda check, argument, value, schema, depth: all(check.sorts(value, argument, depth)),
    "anyOf": lambda check, argument, value, schema, depth: any(check.sorts(value, argument, depth)),
    "oneOf": lambda check, argument, value, schema, depth: sum(check.sorts(value, argument, depth)) == 1,
    "not": lambda check, argument, value, schema, depth: not check.fits(value, argument, depth),
    "if": _choice,
    "items": _items,
    "prefixItems": _first_items,
    "contains": _contains,
    "properties": _properties,
    "patternProperties": _alike,
    "additionalProperties": _others,
    "propertyNames": _names,
}
