"""References in JSON schemas that clients send."""

import pytest
from pydantic import ValidationError

from cogitate.server.protocol.chat import ChatRequest
from cogitate.strategies.checks import check_refs

LIST = {"$defs": {"list": {"properties": {"next": {"$ref": "#/$defs/list"}}}}, "$ref": "#/$defs/list"}


@pytest.mark.parametrize(
    "schema",
    [
        {},
        {"type": "object", "properties": {"$ref": {"type": "string"}}},
        {"$defs": {"a": {"type": "string"}}, "items": [{"$ref": "#/$defs/a"}]},
        {"properties": {"self": {"$ref": "#"}}},
        {"$defs": {"a/b": {}, "c~d": {}}, "anyOf": [{"$ref": "#/$defs/a~1b"}, {"$ref": "#/$defs/c~0d"}]},
        {"anyOf": [{"type": "null"}, {"$ref": "#/anyOf/0"}]},
        {"$ref": "#/nowhere"},
        LIST,
    ],
)
def test_schema_with_internal_references_is_accepted(schema):
    assert check_refs(schema) is schema


@pytest.mark.parametrize(
    ("schema", "reason"),
    [
        ({"$ref": "#"}, "back to themselves"),
        ({"$defs": {"a": {"$ref": "#/$defs/b"}, "b": {"$ref": "#/$defs/a"}}}, "back to themselves"),
        ({"properties": {"x": {"$ref": "http://a/b"}}}, "its own parts"),
        ({"items": [{"$ref": "file:///etc/passwd"}]}, "its own parts"),
        ({"$ref": "other.json#/x"}, "its own parts"),
    ],
)
def test_schema_with_external_or_circular_references_is_rejected(schema, reason):
    with pytest.raises(ValueError, match=reason):
        check_refs(schema)
    form = {"type": "json_schema", "json_schema": {"name": "s", "schema": schema}}
    tools = [{"type": "function", "function": {"name": "f", "parameters": schema}}]
    for fields in ({"response_format": form}, {"tools": tools}):
        with pytest.raises(ValidationError, match=reason):
            ChatRequest.model_validate({"model": "m", "messages": [{"role": "user", "content": "x"}], **fields})
