"""Plain values as tagged JSON: the only thing that crosses between a candidate and its judge.

None, True, False and text are themselves; everything else is a list that begins with its tag. Integers and floats are
hexadecimal, thus exact and of any size. Subclasses are written as what they extend; what is read is always the plain
type, so no code of the writer's ever runs in the reader.
"""

import json
import math
from typing import Any

DEPTH = 64
Value = Any
"""A plain value, or one that is tagged: what JSON can say."""


class Malformed(Exception):
    """Not a value that can cross."""


def written(value: Value) -> bytes:
    return json.dumps(_tagged(value, 0)).encode()


def read(text: bytes) -> Value:
    """The JSON of a message, its values still tagged. Raises Malformed."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise Malformed("not JSON") from error


def _tagged(value: Value, depth: int) -> Value:
    if depth > DEPTH:
        raise Malformed("nested too deeply")
    if value is None or isinstance(value, (bool, str)):
        return _text(str.__str__(value)) if isinstance(value, str) else value
    for kind, tag, write in _WRITERS:
        if isinstance(value, kind):
            return [tag, write(value, depth + 1)]
    raise Malformed("no plain value: " + type(value).__name__)


def _text(text: str) -> Value:
    try:
        text.encode()
    except UnicodeEncodeError:  # JSON would join two halves of a character
        return ["str", text.encode("utf-8", "surrogatepass").hex()]
    return text


def _items(values: Value, depth: int) -> Value:
    return [_tagged(value, depth) for value in values]


def _pairs(values: Value, depth: int) -> Value:
    return [[_tagged(key, depth), _tagged(value, depth)] for key, value in values.items()]


_WRITERS: Any = (
    (int, "int", lambda value, _: int.__format__(value, "x")),
    (float, "float", lambda value, _: float.hex(value)),
    ((bytes, bytearray), "bytes", lambda value, _: value.hex()),
    (list, "list", _items),
    (tuple, "tuple", _items),
    ((set, frozenset), "set", _items),
    (dict, "dict", _pairs),
)


def plain(tagged: Value, *, finite: bool) -> Value:
    """The value. `finite`: no NaN and no infinity, which no comparison can be trusted with. Raises Malformed."""
    try:
        return _plain(tagged, 0, finite)
    except (TypeError, ValueError, OverflowError) as error:
        raise Malformed("not a value") from error


def _plain(tagged: Value, depth: int, finite: bool) -> Value:
    if tagged is None or isinstance(tagged, (bool, str)):
        return tagged
    tag, content = tagged
    if depth > DEPTH:
        raise Malformed("nested too deeply")
    if tag == "dict":
        return {_plain(key, depth + 1, finite): _plain(value, depth + 1, finite) for key, value in content}
    if tag in _COLLECTIONS:
        return _COLLECTIONS[tag]([_plain(item, depth + 1, finite) for item in content])
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
