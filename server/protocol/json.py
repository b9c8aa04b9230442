"""Values of JSON bodies, encoded by orjson. Keys that are numbers, as in vLLM's log-probabilities, become strings."""

import hashlib
import time

import orjson
from starlette.responses import JSONResponse


def dumps(content: object) -> bytes:
    return orjson.dumps(content, option=orjson.OPT_NON_STR_KEYS)


def digest(content: object) -> bytes:
    """Return the SHA-256 of a JSON value, whatever the order of its objects' keys: 32 bytes."""
    return hashlib.sha256(orjson.dumps(content, option=orjson.OPT_SORT_KEYS)).digest()


def unix_time() -> int:
    """Return the Unix time in seconds for `created` fields.

    The wall clock can be set back, so every timeout and duration uses `time.monotonic()` instead; ruff bans the wall
    clock everywhere else.
    """
    return int(time.time())  # noqa: TID251 shown to clients, decides nothing


class OrjsonResponse(JSONResponse):
    def render(self, content: object) -> bytes:
        return dumps(content)
