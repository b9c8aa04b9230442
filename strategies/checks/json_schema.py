"""JSON Schema (draft 2020-12), as much of it as clients send to have answers checked; what is not checked is refused.

`format` is an annotation, as the draft has it.
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from cogitate.strategies.answers.json_answer import canonical_json, find_last_json
from cogitate.strategies.checks.json_schema_eval import (
    TYPES,
    NUMBER_KEYWORDS,
    SIZE_KEYWORDS,
    Evaluation,
    StepLimitExceeded,
    as_list,
)
from cogitate.strategies.checks.regex import MAX_STATES, MAX_TEXT_CHARACTERS, Pattern, estimate_states
from cogitate.strategies.checks.schema_refs import check_refs, collect_nodes, resolve_pointer

MAX_SCHEMA_CHARACTERS = 64_000
"""Signs, written as JSON."""
MAX_SCHEMA_NODES = 1000
"""Objects and lists in a schema."""
MAX_SCHEMA_DEPTH = 64
"""Schemas within each other."""
ANNOTATIONS = frozenset(
    {"title", "description", "default", "examples", "format", "deprecated", "readOnly", "writeOnly"}
    | {"$schema", "$id", "$comment"}
)
LISTS = ("allOf", "anyOf", "oneOf", "prefixItems")
MAPPINGS = ("properties", "patternProperties", "$defs", "definitions")
SINGLE = ("items", "additionalProperties", "propertyNames", "contains", "not", "if", "then", "else")
ARGUMENTS: Mapping[str, Sequence[str]] = {
    **dict.fromkeys(NUMBER_KEYWORDS, ("number",)),
    **dict.fromkeys(SIZE_KEYWORDS, ("integer",)),
    **dict.fromkeys((*LISTS, "enum", "required"), ("array",)),
    **dict.fromkeys(MAPPINGS, ("object",)),
    **dict.fromkeys(SINGLE, ("object", "boolean")),
    **dict.fromkeys(("pattern", "$ref"), ("string",)),
    "type": ("string", "array"),
    "uniqueItems": ("boolean",),
    "const": tuple(TYPES),
}
"""The keywords that are checked, and what each may be given."""
_FENCED = re.compile(r"\A```(?:json)?[ \t]*\n(.*)\n[ \t]*```\Z", re.S)


@dataclass(frozen=True, slots=True)
class JsonSchema:
    """Raises ValueError, with what is wrong, for what is none or holds more than is checked."""

    root: Mapping[str, object]
    """Its numbers are written as those of the values are: 18.0 is 18."""

    def __post_init__(self) -> None:
        written = json.dumps(self.root)
        if len(written) > MAX_SCHEMA_CHARACTERS or len(collect_nodes(self.root)) > MAX_SCHEMA_NODES:
            raise ValueError(
                f"a schema may hold {MAX_SCHEMA_CHARACTERS} signs, and {MAX_SCHEMA_NODES} objects and lists"
            )
        check_refs(dict(self.root))
        if sum(map(estimate_states, collect_patterns(self.root))) > MAX_STATES:
            raise ValueError(f"all patterns of a schema together may hold {MAX_STATES} signs, repetitions counted")
        for part in (self.root, *collect_ref_targets(self.root)):
            check_schema(part, 0)
        object.__setattr__(self, "root", json.loads(canonical_json(written) or "{}"))

    def is_valid(self, value: object) -> bool:
        """Whether the value conforms; one that takes more than a purse of steps to check does not."""
        try:
            return Evaluation(self.root).fits(value, self.root, 0)
        except StepLimitExceeded:
            return False


def parse_json_reply(reply: str) -> tuple[object] | None:
    """The value that a reply is, fenced or bare, else the last object or array in it; numbers without needless .0."""
    bare = reply.strip()
    if len(bare) > MAX_TEXT_CHARACTERS:
        return None
    fenced = _FENCED.match(bare)
    for raw in (bare, fenced[1] if fenced else "", find_last_json(bare, MAX_TEXT_CHARACTERS) or ""):
        if (text := canonical_json(raw)) is not None:
            return (json.loads(text),)
    return None


def collect_patterns(root: object) -> list[str]:
    """Whatever may be one, anywhere in a schema."""
    held = [node for node in collect_nodes(root) if isinstance(node, Mapping)]
    several = [node["patternProperties"] for node in held if isinstance(node.get("patternProperties"), Mapping)]
    alone = [node["pattern"] for node in held if isinstance(node.get("pattern"), str)]
    return [*alone, *(source for sources in several for source in sources)]


def collect_ref_targets(root: Mapping[str, object]) -> list[object]:
    """What a schema refers to, each part once: it may be somewhere that no keyword calls a schema."""
    pointers = [node.get("$ref") for node in collect_nodes(root) if isinstance(node, Mapping)]
    parts = [resolve_pointer(root, pointer) for pointer in pointers if isinstance(pointer, str)]
    return list({id(part): part for part in parts}.values())


def check_schema(schema: object, depth: int) -> None:
    """Raises ValueError."""
    if depth > MAX_SCHEMA_DEPTH:
        raise ValueError(f"a schema may be nested {MAX_SCHEMA_DEPTH} deep")
    if isinstance(schema, bool):
        return
    if not isinstance(schema, Mapping):
        raise ValueError("a schema is an object, true or false")
    for keyword, argument in schema.items():
        if keyword in ANNOTATIONS:
            continue
        if not is_supported(keyword, argument):
            raise ValueError(f"{str(keyword)[:64]} is not checked here, or not with this value")
        for inner in subschemas(keyword, argument):
            check_schema(inner, depth + 1)


def subschemas(keyword: str, argument: object) -> Iterator[object]:
    """The schemas that a keyword holds."""
    if keyword in SINGLE:
        yield argument
    elif keyword in LISTS:
        yield from as_list(argument)
    elif keyword in MAPPINGS and isinstance(argument, Mapping):
        yield from argument.values()


def is_supported(keyword: str, argument: object) -> bool:
    """Whether it is a keyword that is checked here, with an argument of its kind. Raises ValueError for a pattern."""
    kind = ARGUMENTS.get(keyword)
    if kind is None or not any(TYPES[name](argument) for name in kind):
        return False
    match keyword:
        case "type":
            return all(isinstance(name, str) and name in TYPES for name in as_list(argument))
        case "required":
            return all(isinstance(name, str) for name in as_list(argument))
        case "multipleOf":
            return argument != 0
        case "pattern" | "patternProperties":
            return all(Pattern(str(source)) for source in (argument if isinstance(argument, dict) else [argument]))
    return True
