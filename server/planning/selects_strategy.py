"""Whether a request body selects a strategy, or a stored response. Most bodies are not parsed to find that out."""

from collections.abc import Collection, Iterable, Mapping
from typing import Any

import orjson

from cogitate.server.protocol import compat

PREVIOUS = "previous_response_id"
STORE_FIELDS = ("background", "store", PREVIOUS)
COMPAT_HEADERS = frozenset(name.encode() for name in compat.HEADERS)
MARKS = (b"@", b"\\u", *(f'"{name}"'.encode() for name in ("strategy", *STORE_FIELDS, *compat.FIELDS)))
"""A body without any of these bytes selects nothing: each stands in a suffix or a field's name, or hides one."""


def selects_header(headers: Iterable[tuple[bytes, bytes]]) -> bool:
    """Whether a header asks for a strategy."""
    return any(name in COMPAT_HEADERS for name, _ in headers)


def parse_marked(body: bytes, marks: Iterable[bytes] = MARKS) -> Mapping[str, Any]:
    """Parse a body that may select something. Empty for any other, and for what is no JSON object, vLLM's to refuse."""
    if not any(mark in body for mark in marks):
        return {}
    try:
        content = orjson.loads(body)
    except orjson.JSONDecodeError:
        return {}
    return content if isinstance(content, dict) else {}


def mark_models(names: Iterable[str]) -> tuple[bytes, ...]:
    """Return MARKS, and those of a body that may name one of these models."""
    own = tuple(orjson.dumps(name) for name in names)
    return (*MARKS, *own, b"\\/") if own else MARKS


def selects_strategy(content: Mapping[str, Any], suffixes: Collection[str]) -> bool:
    """Whether a body asks for a strategy; `suffixes`: the names after the `@` of a model's name."""
    if content.get("strategy") is not None or not compat.FIELDS.isdisjoint(content):
        return True
    model = content.get("model")
    return isinstance(model, str) and model.rpartition("@")[0] != "" and model.rpartition("@")[2] in suffixes


def asks_to_store(content: Mapping[str, Any]) -> bool:
    """Whether a body of the Responses API asks for a response that is stored, or continues one."""
    return content.get("background") is True or content.get("store") is True or bool(content.get(PREVIOUS))
