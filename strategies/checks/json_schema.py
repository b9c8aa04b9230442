"""JSON Schema (draft 2020-12), as much of it as clients send to have answers checked; what is not checked is refused.

`format` is an annotation, as the draft has it.
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from cogitate.strategies.answers.json_answer import dumped, last_structure
from cogitate.strategies.checks.json_schema_eval import KINDS, NUMBERS, SIZES, Check, Exhausted, listed
from cogitate.strategies.checks.regex import HEAVIEST, LONGEST_TEXT, Pattern, weight
from cogitate.strategies.checks.schema_refs import closed, nodes, target

LONGEST = 64_000
"""Signs, written as JSON."""
MOST_NODES = 1000
"""Objects and lists in a schema."""
DEEPEST = 64
"""Schemas within each other."""
ANNOTATIONS = frozenset(
    {"title", "description", "default", "examples", "format", "deprecated", "readOnly", "writeOnly"}
    | {"$schema", "$id", "$comment"}
)
LISTS = ("allOf", "anyOf", "oneOf", "prefixItems")
MAPPINGS = ("properties", "patternProperties", "$defs", "definitions")
SINGLE = ("items", "additionalProperties", "propertyNames", "contains", "not", "if", "then", "else")
ARGUMENTS: Mapping[str, Sequence[str]] = {
    **dict.fromkeys(NUMBERS, ("number",)),
    **dict.fromkeys(SIZES, ("integer",)),
    **dict.fromkeys((*LISTS, "enum", "required"), ("array",)),
    **dict.fromkeys(MAPPINGS, ("object",)),
    **dict.fromkeys(SINGLE, ("object", "boolean")),
    **dict.fromkeys(("pattern", "$ref"), ("string",)),
    "type": ("string", "array"),
    "uniqueItems": ("boolean",),
    "const": tuple(KINDS),
}
"""The keywords that are checked, and what each may be given."""
_FENCED = re.compile(r"\A```(?:json)?[ \t]*\n(.*)\n[ \t]*```\Z", re.S)


@dataclass(frozen=True, slots=True)
class Schema:
    """Raises ValueError, with what is wrong, for what is none or holds more than is checked."""

    root: Mapping[str, object]
    """Its numbers are written as those of the values are: 18.0 is 18."""

    def __post_init__(self) -> None:
        written = json.dumps(self.root)
        if len(written) > LONGEST or len(nodes(self.root)) > MOST_NODES:
            raise ValueError(f"a schema may hold {LONGEST} signs, and {MOST_NODES} objects and lists")
        closed(dict(self.root))
        if sum(map(weight, patterns(self.root))) > HEAVIEST:
            raise ValueError(f"all patterns of a schema together may hold {HEAVIEST} signs, repetitions counted")
        for part in (self.root, *referred(self.root)):
            legal(part, 0)
        object.__setattr__(self, "root", json.loads(dumped(written) or "{}"))

    def fits(self, value: object) -> bool:
        """Whether the value conforms; one that takes more than a purse of steps to check does not."""
        try:
            return Check(self.root).fits(value, self.root, 0)
        except Exhausted:
            return False


def json_in(reply: str) -> tuple[object] | None:
    """The value that a reply is, fenced or bare, else the last object or array in it; numbers without needless .0."""
    bare = reply.strip()
    if len(bare) > LONGEST_TEXT:
        return None
    fenced = _FENCED.match(bare)
    for raw in (bare, fenced[1] if fenced else "", last_structure(bare, LONGEST_TEXT) or ""):
        if (text := dumped(raw)) is not None:
            return (json.loads(text),)
    return None


def patterns(root: object) -> list[str]:
    """Whatever may be one, anywhere in a schema."""
    held = [node for node in nodes(root) if isinstance(node, Mapping)]
    several = [node["patternProperties"] for node in held if isinstance(node.get("patternProperties"), Mapping)]
    alone = [node["pattern"] for node in held if isinstance(node.get("pattern"), str)]
    return [*alone, *(source for sources in several for source in sources)]


def referred(root: Mapping[str, object]) -> list[object]:
    """What a schema refers to, each part once: it may be somewhere that no keyword calls a schema."""
    pointers = [node.get("$ref") for node in nodes(root) if isinstance(node, Mapping)]
    parts = [target(root, pointer) for pointer in pointers if isinstance(pointer, str)]
    return list({id(part): part for part in parts}.values())


def legal(schema: object, depth: int) -> None:
    """Raises ValueError."""
    if depth > DEEPEST:
        raise ValueError(f"a schema may be nested {DEEPEST} deep")
    if isinstance(schema, bool):
        return
    if not isinstance(schema, Mapping):
        raise ValueError("a schema is an object, true or false")
    for keyword, argument in schema.items():
        if keyword in ANNOTATIONS:
            continue
        if not takes(keyword, argument):
            raise ValueError(f"{str(keyword)[:64]} is not checked here, or not with this value")
        for inner in within(keyword, argument):
            legal(inner, depth + 1)


def within(keyword: str, argument: object) -> Iterator[object]:
    """The schemas that a keyword holds."""
    if keyword in SINGLE:
        yield argument
    elif keyword in LISTS:
        yield from listed(argument)
    elif keyword in MAPPINGS and isinstance(argument, Mapping):
        yield from argument.values()


def takes(keyword: str, argument: object) -> bool:
    """Whether it is a keyword that is checked here, with an argument of its kind. Raises ValueError for a pattern."""
    kind = ARGUMENTS.get(keyword)
    if kind is None or not any(KINDS[name](argument) for name in kind):
        return False
    match keyword:
        case "type":
            return all(isinstance(name, str) and name in KINDS for name in listed(argument))
        case "required":
            return all(isinstance(name, str) for name in listed(argument))
        case "multipleOf":
            return argument != 0
        case "pattern" | "patternProperties":
            return all(Pattern(str(source)) for source in (argument if isinstance(argument, dict) else [argument]))
    return True
