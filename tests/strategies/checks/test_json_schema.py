"""JSON Schema checks against the reference implementation and against hostile schemas (fault list T13)."""

import json
import time

import jsonschema_rs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cogitate.strategies.checks import JsonSchema, parse_json_reply

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 3) | st.sampled_from([0.5, 1.5, "", "a", "ab", "abc"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
    max_leaves=6,
)
SIZE = st.integers(0, 2)
LEAVES = st.one_of(
    st.booleans(),
    st.sampled_from(["null", "boolean", "integer", "number", "string", "array", "object"]).map(lambda t: {"type": t}),
    st.just({"type": ["string", "null"]}),
    st.builds(lambda v: {"enum": v}, st.lists(VALUES, min_size=1, max_size=3)),
    st.builds(lambda v: {"const": v}, VALUES),
    st.sampled_from(["minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"]).flatmap(
        lambda keyword: st.builds(lambda bound: {keyword: bound}, st.integers(-2, 2))
    ),
    st.sampled_from([{"multipleOf": 2}, {"multipleOf": 0.5}, {"pattern": "^a"}, {"uniqueItems": True}]),
    st.sampled_from(["minLength", "maxLength", "minItems", "maxItems", "minProperties", "maxProperties"]).flatmap(
        lambda keyword: st.builds(lambda bound: {keyword: bound}, SIZE)
    ),
    st.builds(lambda names: {"required": names}, st.lists(st.sampled_from("abc"), max_size=2, unique=True)),
    st.just({"$ref": "#/$defs/d"}),
)


def nest_schemas(inner):
    named = st.dictionaries(st.sampled_from("abc"), inner, max_size=2)
    single = ["items", "not", "contains", "additionalProperties", "propertyNames"]
    several = ["allOf", "anyOf", "oneOf", "prefixItems"]
    return st.one_of(
        st.sampled_from(single).flatmap(lambda keyword: st.builds(lambda part: {keyword: part}, inner)),
        st.sampled_from(several).flatmap(
            lambda keyword: st.builds(lambda parts: {keyword: parts}, st.lists(inner, min_size=1, max_size=2))
        ),
        st.builds(lambda a, b, c: {"if": a, "then": b, "else": c}, inner, inner, inner),
        st.builds(lambda a, b: {"properties": a, "additionalProperties": b}, named, inner),
        st.builds(lambda a, b: {"patternProperties": {"^[ab]": a}, "additionalProperties": b}, inner, inner),
        st.builds(lambda a, b: {"prefixItems": [a], "items": b}, inner, inner),
    )


SCHEMAS = st.recursive(LEAVES, nest_schemas, max_leaves=5)


@given(SCHEMAS, VALUES)
def test_validation_equals_the_reference_implementation(schema, value):
    root = {"$defs": {"d": {"type": "integer"}}, "allOf": [schema]}
    expected = jsonschema_rs.Draft202012Validator(root).is_valid(value)
    assert JsonSchema(root).is_valid(json.loads(json.dumps(value))) == expected


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "text"},
        {"type": 3},
        {"minimum": "1"},
        {"multipleOf": 0},
        {"minLength": 1.5},
        {"required": [1]},
        {"enum": 1},
        {"properties": []},
        {"items": [{"type": "string"}]},
        {"anyOf": [1]},
        {"pattern": "("},
        {"patternProperties": {"(?=a)": {}}},
        {"$ref": "#/nowhere"},
        {"$ref": "#/type", "type": "string"},
        {"$ref": "#/enum", "enum": [{}]},
        {"$ref": "#/enum/0", "enum": [{"pattern": "("}]},
        {"$ref": "#/default", "default": {"minimum": "x"}},
        {"$ref": "#/examples/0/0", "examples": [[{"typ": 1}]]},
        {"$ref": "http://a/b"},
        {"$ref": "#"},
        {"unevaluatedProperties": False},
        {"dependentRequired": {"a": ["b"]}},
        {"properties": {"a": {"minContains": 1}}},
        {"typ": "string"},
    ],
)
def test_unsupported_schemas_are_rejected(schema):
    with pytest.raises(ValueError, match="unsupported schema keyword|invalid pattern|a schema m"):
        JsonSchema(schema)


def test_schema_size_and_depth_are_limited():
    deep = {}
    for _ in range(70):
        deep = {"items": deep}
    with pytest.raises(ValueError, match="nested too deeply"):
        JsonSchema(deep)
    with pytest.raises(ValueError, match="schema too large"):
        JsonSchema({"anyOf": [{} for _ in range(1001)]})
    with pytest.raises(ValueError, match="schema too large"):
        JsonSchema({"enum": [*range(100_000)]})


@pytest.mark.parametrize("keyword", ["pattern", "patternProperties"])
def test_total_size_of_a_schemas_patterns_is_limited(keyword):
    sources = [f"a{{{99 + at}}}" for at in range(10)]
    several = {"anyOf": [{keyword: source if keyword == "pattern" else {source: {}}} for source in sources]}
    with pytest.raises(ValueError, match="together"):
        JsonSchema(several)
    assert JsonSchema({"anyOf": several["anyOf"][:9]})


@pytest.mark.parametrize(
    ("schema", "value"),
    [
        ({"$defs": {"a": {"anyOf": [{"$ref": "#/$defs/a"}, {"$ref": "#/$defs/a"}]}}, "$ref": "#/$defs/a"}, 1),
        ({"not": {"$ref": "#"}}, 1),
        ({"items": {"items": {"items": True}}}, [[[0] * 30] * 30] * 30),
        ({"allOf": [{"items": {"type": "integer"}}] * 300}, [0] * 50),
        ({"items": {"pattern": "(?:a|b|ab){0,120}"}}, ["a" * 1000] * 1000),
        ({"enum": [*[0] * 11_000, "x"]}, "x"),
        ({"uniqueItems": True}, list(range(11_000))),
    ],
)
def test_check_above_the_step_limit_fails_in_bounded_time(schema, value):
    """All of these values would conform without a step limit."""
    start = time.process_time()
    assert not JsonSchema(schema).is_valid(value)
    assert time.process_time() - start < 2


@pytest.mark.parametrize(
    ("schema", "valid", "invalid"),
    [
        ({"minimum": 2}, ["1", 2, None], [1, 1.5]),
        ({"exclusiveMaximum": 2}, [1, True], [2]),
        ({"multipleOf": 0.01}, [0.07, 19.99], [0.005]),
        ({"minLength": 2}, ["ab", 1, []], ["a"]),
        ({"maxItems": 1}, [[1], "ab", {}], [[1, 2]]),
        ({"minProperties": 1}, [{"a": 1}, [], ""], [{}]),
        ({"contains": {"const": 1}}, [[0, 1], {}], [[0], []]),
        ({"prefixItems": [{"type": "null"}], "items": False}, [[], [None], "x"], [[1], [None, 1]]),
        ({"propertyNames": {"maxLength": 1}}, [{"a": 1}, "ab"], [{"ab": 1}]),
        ({"patternProperties": {"^a": {"type": "null"}}}, [{"ab": None, "b": 1}, 1], [{"ab": 1}]),
        ({"additionalProperties": {"type": "null"}, "properties": {"a": True}}, [{"a": 1, "b": None}], [{"b": 1}]),
        ({"if": {"type": "null"}, "else": {"const": 1}}, [None, 1], [2]),
        ({"uniqueItems": True}, [[1, True, "1"], "aa"], [[1, 1.0], [{"a": 1}, {"a": 1}]]),
        ({"enum": []}, [], [1]),
        ({"$ref": "#/enum/0", "enum": [{"const": {"const": 1}}]}, [], [1]),
        ({"not": True}, [], [1]),
    ],
)
def test_supported_keywords(schema, valid, invalid):
    values = [json.loads(json.dumps(value)) for value in valid]
    assert all(map(JsonSchema(schema).is_valid, values))
    assert not any(JsonSchema(schema).is_valid(*parse_json_reply(json.dumps(value))) for value in invalid)


def test_recursive_schema_is_supported():
    tree = JsonSchema({"type": "object", "properties": {"next": {"$ref": "#"}}, "additionalProperties": False})
    assert tree.is_valid({"next": {"next": {}}}) and not tree.is_valid({"next": {"nex": {}}})


def test_equal_numbers_match_and_booleans_are_not_numbers():
    assert JsonSchema({"const": 1.0}).is_valid(1) and JsonSchema({"enum": [18.0]}).is_valid(18)
    assert not JsonSchema({"const": 1}).is_valid(True) and not JsonSchema({"type": "integer"}).is_valid(False)
    assert JsonSchema({"multipleOf": 0.1}).is_valid(0.3) and JsonSchema({"multipleOf": 3}).is_valid(10**30 * 3)


@pytest.mark.parametrize(
    ("reply", "value"),
    [
        ('{"a": 1.0}', ({"a": 1},)),
        ("3", (3,)),
        ("null", (None,)),
        ('```json\n{"a": "x"}\n```', ({"a": "x"},)),
        ('Here it is: {"a": 2}. Good?', ({"a": 2},)),
        ('{"a": ' + "[" * 5000, None),
        ("no", None),
        ("NaN", None),
        ("", None),
        ("1" * 30_000, None),
        ('"' + "x" * 900 + '"', ("x" * 900,)),
    ],
)
def test_json_is_parsed_from_a_reply(reply, value):
    assert parse_json_reply(reply) == value
