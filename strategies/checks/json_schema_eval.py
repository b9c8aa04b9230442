"""Evaluates one value against one schema in a bounded number of steps, because neither is trusted."""

import json
import operator
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction

from cogitate.strategies.checks.regex import Pattern
from cogitate.strategies.checks.schema_refs import resolve_pointer

MAX_STEPS = 10_000
CHARACTERS_PER_STEP = 10_000
"""Characters that one step serialises. A match counts its characters times the states of the pattern."""
MAX_DEPTH = 100
"""Maximum depth of nested evaluations."""
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
    """Return a list unchanged, and any other argument as a list of one item."""
    return argument if isinstance(argument, list) else [argument]


class StepLimitExceeded(Exception):
    """The evaluation needs more than MAX_STEPS, or is nested more deeply than MAX_DEPTH."""


@dataclass(slots=True)
class Evaluation:
    """One evaluation with its step limit."""

    root: Mapping[str, object]
    steps_left: int = MAX_STEPS

    def is_valid(self, value: object, schema: object, depth: int) -> bool:
        """Whether the value conforms to the schema. Raises StepLimitExceeded."""
        self.spend(1)
        if depth > MAX_DEPTH:
            raise StepLimitExceeded
        if not isinstance(schema, Mapping):
            return schema is not False
        return all(self.satisfies(keyword, argument, value, schema, depth + 1) for keyword, argument in schema.items())

    def satisfies(
        self, keyword: str, argument: object, value: object, schema: Mapping[str, object], depth: int
    ) -> bool:
        """Whether the value satisfies one keyword. A keyword for another type of value is always satisfied."""
        if keyword in NUMBER_KEYWORDS and isinstance(argument, int | float):
            if isinstance(value, bool) or not isinstance(value, int | float):
                return True
            return NUMBER_KEYWORDS[keyword](value, argument)
        if keyword in SIZE_KEYWORDS and isinstance(argument, int):
            type_, compare = SIZE_KEYWORDS[keyword]
            if not isinstance(value, type_) or not isinstance(value, str | list | dict):
                return True
            return compare(len(value), argument)
        return keyword not in RULES or RULES[keyword](self, argument, value, schema, depth)

    def spend(self, steps: int) -> None:
        """Count steps. Raises StepLimitExceeded."""
        self.steps_left -= steps
        if self.steps_left < 0:
            raise StepLimitExceeded

    def is_match(self, pattern: str, text: str) -> bool:
        """Whether the pattern matches somewhere in the text."""
        expression = Pattern(pattern)
        self.spend(1 + expression.states * len(text) // CHARACTERS_PER_STEP)
        return expression.is_match(text)

    def serialize(self, value: object) -> str:
        """Return a string that is the same for equal values."""
        text = json.dumps(value, sort_keys=True)
        self.spend(1 + len(text) // CHARACTERS_PER_STEP)
        return text

    def evaluate_each(self, value: object, schemas: object, depth: int) -> Iterator[bool]:
        """Yield for each schema whether the value conforms."""
        return (self.is_valid(value, schema, depth) for schema in as_list(schemas))

    def additional_values(self, value: Mapping[str, object], schema: Mapping[str, object]) -> list[object]:
        """Return the values of the properties that neither `properties` nor `patternProperties` covers."""
        properties, patterns = schema.get("properties"), schema.get("patternProperties")
        names = properties if isinstance(properties, Mapping) else {}
        sources = patterns if isinstance(patterns, Mapping) else {}
        return [
            item
            for name, item in value.items()
            if name not in names and not any(self.is_match(source, name) for source in sources)
        ]


Rule = Callable[[Evaluation, object, object, Mapping[str, object], int], bool]
"""Takes the evaluation, the keyword's argument, the value, the schema around the keyword and the depth."""


def _type(check: Evaluation, argument: object, value: object, schema: Mapping[str, object], depth: int) -> bool:
    return any(TYPES[str(name)](value) for name in as_list(argument))


def _enum(check: Evaluation, argument: object, value: object, schema: Mapping[str, object], depth: int) -> bool:
    serialized = check.serialize(value)
    return any(check.serialize(member) == serialized for member in as_list(argument))


def _ref(check: Evaluation, argument: object, value: object, schema: Mapping[str, object], depth: int) -> bool:
    return check.is_valid(value, check.root if argument == "#" else resolve_pointer(check.root, str(argument)), depth)


def _if(check: Evaluation, argument: object, value: object, schema: Mapping[str, object], depth: int) -> bool:
    branch = "then" if check.is_valid(value, argument, depth) else "else"
    return check.is_valid(value, schema.get(branch, True), depth)


def _unique_items(check: Evaluation, argument: object, value: object, schema: Mapping[str, object], depth: int) -> bool:
    if argument is not True or not isinstance(value, list):
        return True
    return len(set(map(check.serialize, value))) == len(value)


def _items(check: Evaluation, argument: object, value: object, schema: Mapping[str, object], depth: int) -> bool:
    prefix = len(as_list(schema.get("prefixItems", [])))
    return not isinstance(value, list) or all(check.is_valid(item, argument, depth) for item in value[prefix:])


def _prefix_items(check: Evaluation, argument: object, value: object, schema: Mapping[str, object], depth: int) -> bool:
    pairs = zip(value, as_list(argument), strict=False) if isinstance(value, list) else ()
    return all(check.is_valid(item, item_schema, depth) for item, item_schema in pairs)


def _contains(check: Evaluation, argument: object, value: object, schema: Mapping[str, object], depth: int) -> bool:
    return not isinstance(value, list) or any(check.is_valid(item, argument, depth) for item in value)


def _properties(check: Evaluation, argument: object, value: object, schema: Mapping[str, object], depth: int) -> bool:
    if not isinstance(value, dict) or not isinstance(argument, Mapping):
        return True
    return all(check.is_valid(value[name], inner, depth) for name, inner in argument.items() if name in value)


def _pattern_properties(
    check: Evaluation, argument: object, value: object, schema: Mapping[str, object], depth: int
) -> bool:
    if not isinstance(value, dict) or not isinstance(argument, Mapping):
        return True
    pairs = [
        (item, inner)
        for source, inner in argument.items()
        for name, item in value.items()
        if check.is_match(source, name)
    ]
    return all(check.is_valid(item, inner, depth) for item, inner in pairs)


def _additional_properties(
    check: Evaluation, argument: object, value: object, schema: Mapping[str, object], depth: int
) -> bool:
    items = check.additional_values(value, schema) if isinstance(value, dict) else []
    return all(check.is_valid(item, argument, depth) for item in items)


def _property_names(
    check: Evaluation, argument: object, value: object, schema: Mapping[str, object], depth: int
) -> bool:
    return not isinstance(value, dict) or all(check.is_valid(name, argument, depth) for name in value)


RULES: Mapping[str, Rule] = {
    "type": _type,
    "enum": _enum,
    "const": lambda check, argument, value, schema, depth: check.serialize(argument) == check.serialize(value),
    "pattern": lambda check, argument, value, schema, depth: (
        not isinstance(value, str) or check.is_match(str(argument), value)
    ),
    "required": lambda check, argument, value, schema, depth: (
        not isinstance(value, dict) or all(name in value for name in as_list(argument))
    ),
    "uniqueItems": _unique_items,
    "$ref": _ref,
    "allOf": lambda check, argument, value, schema, depth: all(check.evaluate_each(value, argument, depth)),
    "anyOf": lambda check, argument, value, schema, depth: any(check.evaluate_each(value, argument, depth)),
    "oneOf": lambda check, argument, value, schema, depth: sum(check.evaluate_each(value, argument, depth)) == 1,
    "not": lambda check, argument, value, schema, depth: not check.is_valid(value, argument, depth),
    "if": _if,
    "items": _items,
    "prefixItems": _prefix_items,
    "contains": _contains,
    "properties": _properties,
    "patternProperties": _pattern_properties,
    "additionalProperties": _additional_properties,
    "propertyNames": _property_names,
}
"""Keywords beyond NUMBER_KEYWORDS and SIZE_KEYWORDS. `then` and `else` are read by `if`."""
