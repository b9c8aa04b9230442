"""Whether a request body selects a strategy, or a stored response. Most bodies are not parsed to find that out."""

from collections.abc import Collection, Iterable

import orjson

from cogitate.server.protocol import compat

PREVIOUS = "previous_response_id"
STORE_FIELDS = tuple(f'"{name}"'.encode() for name in ("background", "store", PREVIOUS))
COMPAT_HEADERS = frozenset(name.encode() for name in compat.HEADERS)


def selects_strategy(body: bytes, headers: Iterable[tuple[bytes, bytes]], suffixes: Collection[str]) -> bool:
    """Whether a body, or a header, asks for a strategy; `suffixes`: the names after the `@` of a model's name.

    False for what is no JSON object: it is vLLM's to refuse.
    """
    if any(name in COMPAT_HEADERS for name, _ in headers):
        return True
    if not may_select_strategy(body):
        return False
    try:
        content = orjson.loads(body)
    except orjson.JSONDecodeError:
        return False
    if not isinstance(content, dict):
        return False
    if content.get("strategy") is not None or not compat.FIELDS.isdisjoint(content):
        return True
    model = content.get("model")
    return isinstance(model, str) and model.rpartition("@")[0] != "" and model.rpartition("@")[2] in suffixes


def asks_to_store(path: str, body: bytes) -> bool:
    """Whether a body asks for a response that is stored, or continues one."""
    if path != "/v1/responses" or not any(name in body for name in STORE_FIELDS):
        return False
    try:
        content = orjson.loads(body)
    except orjson.JSONDecodeError:
        return False
    if not isinstance(content, dict):
        return False
    return content.get("background") is True or content.get("store") is True or bool(content.get(PREVIOUS))


def may_select_strategy(body: bytes) -> bool:
    """Whether a body has the text of a field that selects a strategy, anywhere; an escape may hide one."""
    return b'"strategy"' in body or b"@" in body or b"\\u" in body or any(name in body for name in COMPAT_FIELDS)


COMPAT_FIELDS = tuple(f'"{name}"'.encode() for name in compat.FIELDS)
