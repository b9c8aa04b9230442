"""JSON answers, written by orjson."""

import orjson
from starlette.responses import JSONResponse


class JSON(JSONResponse):
    def render(self, content: object) -> bytes:
        return orjson.dumps(content)
