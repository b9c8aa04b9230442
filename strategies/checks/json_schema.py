"""The subset of JSON Schema (draft 2020-12) by which answers are checked. Unsupported keywords are rejected.

`format` is an annotation and is not checked, which is the draft's default.

Why not jsonschema-rs (0.60.3): its regex engine is linear and has size limits, but evaluation has no step limit and
holds the interpreter lock. Schemas within the size limits below can need exponentially many or very many evaluations:
definitions that each refer twice to the next (0.10 s at 22 levels, 1.5 s at 26, doubling with each), or an `enum` of
900 arrays over 2,000 items (0.44 s), where no other request may wait longer than 0.25 s. The evaluator here stops both
after a fixed number of steps, within 0.03 s.
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from cogitate.strategies.answers.json_answer import canonical_json, find_json
from cogitate.strategies.checks.json_schema_eval import (
    NUMBER_KEYWORDS,
    SIZE_KEYWORDS,
    TYPES,
    Evaluation,
    StepLimitExceeded,
    as_list,
)
from cogitate.strategies.checks.regex import MAX_STATES, MAX_TEXT_CHARACTERS, Pattern, estimate_states
from cogitate.strategies.checks.schema_refs import check_refs, collect_nodes, resolve_pointer

MAX_SCHEMA_CHARACTERS = 64_000
"""Maximum length of a schema, serialized as JSON."""
MAX_SCHEMA_NODES = 1000
"""Maximum number of objects and arrays in a schema."""
MAX_SCHEMA_DEPTH = 64
"""Maximum depth of nested subschemas."""
ANNOTATIONS = frozenset(
    {"title", "description", "default", "examples", "format", "deprecated", "readOnly", "writeOnly"}
    | {"$schema", "$id", "$comment"}
)
LIST_KEYWORDS = ("allOf", "anyOf", "oneOf", "prefixItems")
"""Keywords whose argument is an array of schemas."""
MAPPING_KEYWORDS = ("properties", "patternProperties", "$defs", "definitions")
"""Keywords whose argument is an object of schemas."""
SCHEMA_KEYWORDS = ("items", "additionalProperties", "propertyNames", "contains", "not", "if", "then", "else")
"""Keywords whose argument is a schema."""
ARGUMENT_TYPES: Mapping[str, Sequence[str]] = {
    **dict.fromkeys(NUMBER_KEYWORDS, ("number",)),
    **dict.fromkeys(SIZE_KEYWORDS, ("integer",)),
    **dict.fromkeys((*LIST_KEYWORDS, "enum", "required"), ("array",)),
    **dict.fromkeys(MAPPING_KEYWORDS, ("object",)),
    **dict.fromkeys(SCHEMA_KEYWORDS, ("object", "boolean")),
    **dict.fromkeys(("pattern", "$ref"), ("string",)),
    "type": ("string", "array"),
    "uniqueItems": ("boolean",),
    "const": tuple(TYPES),
}
"""The supported keywords, with the types of their arguments."""
_FENCED = re.compile(r"\A```(?:json)?[ \t]*\n(.*)\n[ \t]*```\Z", re.S)


@dataclass(frozen=True, slots=True)
class JsonSchema:
    """A validated schema. Raises ValueError for an invalid schema, an unsupported keyword, or one above the limits."""

    root: Mapping[str, object]
    """Numbers are normalised as in parsed replies: 18.0 is 18."""

    def __post_init__(self) -> None:
        serialized = json.dumps(self.root)
        if len(serialized) > MAX_SCHEMA_CHARACTERS or len(collect_nodes(self.root)) > MAX_SCHEMA_NODES:
            raise ValueError(
                f"schema too large: at most {MAX_SCHEMA_CHARACTERS:,} characters and {MAX_SCHEMA_NODES:,} objects or "
                "arrays"
            )
        check_refs(dict(self.root))
        if sum(map(estimate_states, collect_patterns(self.root))) > MAX_STATES:
            raise ValueError(
                f"patterns of the schema too large: together at most {MAX_STATES:,} states, counted repetitions "
                "multiplied out"
            )
        for part in (self.root, *collect_ref_targets(self.root)):
            check_schema(part, 0)
        object.__setattr__(self, "root", json.loads(canonical_json(serialized) or "{}"))

    def is_valid(self, value: object) -> bool:
        """Whether the value conforms; False where the check exceeds its step limit."""
        try:
            return Evaluation(self.root).is_valid(value, self.root, 0)
        except StepLimitExceeded:
            return False


def parse_json_reply(reply: str) -> tuple[object] | None:
    """The value of a reply that is JSON, bare or fenced, else of the last object or array in it.

    Numbers are normalised: 18.0 is 18. None where the reply contains no JSON or is above MAX_TEXT_CHARACTERS.
    """
    bare = reply.strip()
    if len(bare) > MAX_TEXT_CHARACTERS:
        return None
    fenced = _FENCED.match(bare)
    for raw in (bare, fenced[1] if fenced else "", find_json(bare, MAX_TEXT_CHARACTERS) or ""):
        if (text := canonical_json(raw)) is not None:
            return (json.loads(text),)
    return None


def collect_patterns(root: object) -> list[str]:
    """Return every string in the schema that may be used as a pattern."""
    mappings = [node for node in collect_nodes(root) if isinstance(node, Mapping)]
    properties = [node["patternProperties"] for node in mappings if isinstance(node.get("patternProperties"), Mapping)]
    patterns = [node["pattern"] for node in mappings if isinstance(node.get("pattern"), str)]
    return [*patterns, *(source for sources in properties for source in sources)]


def collect_ref_targets(root: Mapping[str, object]) -> list[object]:
    """Return the targets of all references, each once. Some may be parts that no keyword declares to be a schema."""
    pointers = [node.get("$ref") for node in collect_nodes(root) if isinstance(node, Mapping)]
    targets = [resolve_pointer(root, pointer) for pointer in pointers if isinstance(pointer, str)]
    return list({id(target): target for target in targets}.values())


def check_schema(schema: object, depth: int) -> None:
    """Raises ValueError unless the schema and its subschemas are valid and supported."""
    if depth > MAX_SCHEMA_DEPTH:
        raise ValueError(f"schema nested too deeply: at most {MAX_SCHEMA_DEPTH} levels")
    if isinstance(schema, bool):
        return
    if not isinstance(schema, Mapping):
        raise ValueError("a schema must be an object, true or false")
    for keyword, argument in schema.items():
        if keyword in ANNOTATIONS:
            continue
        if not supports_keyword(keyword, argument):
            raise ValueError(f"unsupported schema keyword {str(keyword)[:64]}, or unsupported value for it")
        for subschema in subschemas(keyword, argument):
            check_schema(subschema, depth + 1)


def subschemas(keyword: str, argument: object) -> Iterator[object]:
    """Yield the schemas in a keyword's argument."""
    if keyword in SCHEMA_KEYWORDS:
        yield argument
    elif keyword in LIST_KEYWORDS:
        yield from as_list(argument)
    elif keyword in MAPPING_KEYWORDS and isinstance(argument, Mapping):
        yield from argument.values()


def supports_keyword(keyword: str, argument: object) -> bool:
    """Whether the keyword is supported with an argument of this type. Raises ValueError for an invalid pattern."""
    types = ARGUMENT_TYPES.get(keyword)
    if types is None or not any(TYPES[name](argument) for name in types):
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
