"""Plain values as tagged JSON: all that a candidate and its judge exchange.

None, True, False and text stand for themselves; any other value is a list that begins with a tag. Integers and floats
are hexadecimal, and thus exact and of any size. An instance of a subclass is written as the plain type that it extends,
and read as that type, so that no code of the writer runs in the reader.
"""

import json
import math
from typing import Any

MAX_DEPTH = 64
Value = Any
"""A plain value, or its tagged form, which JSON can represent."""


class Malformed(Exception):
    """Not a plain value, or not the tagged form of one."""


def encode(value: Value) -> bytes:
    """Return a value's tagged form as JSON. Raises Malformed."""
    return json.dumps(_tag(value, 0)).encode()


def decode(text: bytes) -> Value:
    """Parse JSON, and leave its values tagged. Raises Malformed."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise Malformed("not valid JSON") from error


def _tag(value: Value, depth: int) -> Value:
    if depth > MAX_DEPTH:
        raise Malformed("nested too deeply")
    if value is None or isinstance(value, (bool, str)):
        return _text(str.__str__(value)) if isinstance(value, str) else value
    for kind, tag, write in _WRITERS:
        if isinstance(value, kind):
            return [tag, write(value, depth + 1)]
    raise Malformed("not a plain value: " + type(value).__name__)


def _text(text: str) -> Value:
    try:
        text.encode()
    except UnicodeEncodeError:  # JSON would join two lone surrogates
        return ["str", text.encode("utf-8", "surrogatepass").hex()]
    return text


def _items(values: Value, depth: int) -> Value:
    return [_tag(value, depth) for value in values]


def _pairs(values: Value, depth: int) -> Value:
    return [[_tag(key, depth), _tag(value, depth)] for key, value in values.items()]


_WRITERS: Any = (
    (int, "int", lambda value, _: int.__format__(value, "x")),
    (float, "float", lambda value, _: float.hex(value)),
    ((bytes, bytearray), "bytes", lambda value, _: value.hex()),
    (list, "list", _items),
    (tuple, "tuple", _items),
    ((set, frozenset), "set", _items),
    (dict, "dict", _pairs),
)


def untag(tagged: Value, *, finite: bool) -> Value:
    """Return the value of a tagged form.

    `finite`: rejects NaN and infinity, whose comparisons would mislead a test. Raises Malformed.
    """
    try:
        return _untag(tagged, 0, finite)
    except (TypeError, ValueError, OverflowError) as error:
        raise Malformed("not a value") from error


def _untag(tagged: Value, depth: int, finite: bool) -> Value:
    if tagged is None or isinstance(tagged, (bool, str)):
        return tagged
    tag, content = tagged
    if depth > MAX_DEPTH:
        raise Malformed("nested too deeply")
    if tag == "dict":
        return {_untag(key, depth + 1, finite): _untag(value, depth + 1, finite) for key, value in content}
    if tag in _COLLECTIONS:
        return _COLLECTIONS[tag]([_untag(item, depth + 1, finite) for item in content])
    return _scalar(tag, content, finite)


_COLLECTIONS: Any = {"list": list, "tuple": tuple, "set": set}


def _scalar(tag: Value, content: Value, finite: bool) -> Value:
    if tag == "int":
        return int(content, 16)
    if tag == "bytes":
        return bytes.fromhex(content)
    if tag == "str":
        return bytes.fromhex(content).decode("utf-8", "surrogatepass")
    if tag != "float":
        raise Malformed("an unknown tag")
    number = float.fromhex(content)
    if finite and not math.isfinite(number):
        raise Malformed("not a finite number")
    return number
