"""JSON encoded by orjson. Keys that are numbers, as in vLLM's log-probabilities, become strings."""

import hashlib

import orjson
from starlette.responses import JSONResponse


def dumps(content: object) -> bytes:
    return orjson.dumps(content, option=orjson.OPT_NON_STR_KEYS)


def digest(content: object) -> bytes:
    """Returns the SHA-256 of a JSON value, whatever the order of its objects' keys: 32 bytes."""
    return hashlib.sha256(orjson.dumps(content, option=orjson.OPT_SORT_KEYS)).digest()


class OrjsonResponse(JSONResponse):
    def render(self, content: object) -> bytes:
        return dumps(content)
