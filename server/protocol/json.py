"""JSON, written by orjson. A number as a key (as in vLLM's log-probabilities) becomes the string it is in JSON."""

import orjson
from starlette.responses import JSONResponse


def dumps(content: object) -> bytes:
    return orjson.dumps(content, option=orjson.OPT_NON_STR_KEYS)


class OrjsonResponse(JSONResponse):
    def render(self, content: object) -> bytes:
        return dumps(content)
