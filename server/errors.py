"""Every way a request can fail, in one table.

ApiError                 what a client is told: a status and OpenAI's envelope
├── BadRequest       400 a field is wrong; `param` names it
│   ├── ContextTooLong    code context_length_exceeded
│   └── Unsupported       a field that this strategy or engine cannot honour
├── Unauthorized     401 code invalid_api_key
├── Forbidden        403
├── NotFound         404 an unknown URL or id
│   └── ModelNotFound     code model_not_found
├── NotAllowed       405
├── TooSlow          408 the body did not come in time
├── TooLarge         413
├── WrongType        415
├── Misdirected      421 a Host that is not ours
├── KeyReused        422 an Idempotency-Key that another body was sent with
├── HeadersTooLarge  431
├── Overloaded       429 with Retry-After
├── Cancelled        499 the client cancelled it
├── Internal         500 ours; the cause is logged, never sent
├── Upstream         502 the engine lost the request
├── Unready          503 loading or stalled; with Retry-After
│   └── Leaving           draining or dead: connections are closed
└── Late             504 the deadline passed before there was an answer
"""

from collections.abc import Collection, Mapping
from typing import ClassVar

from pydantic import ValidationError


class ApiError(Exception):
    """A failure as the client sees it. The message must hold nothing of the prompt, of paths or of secrets."""

    status: ClassVar[int] = 500
    type: ClassVar[str] = "server_error"
    code: str | None = None
    headers: Mapping[str, str] = {}

    def __init__(self, message: str, *, param: str | None = None, code: str | None = None) -> None:
        super().__init__(message)
        self.message, self.param, self.code = message, param, code or self.code

    @property
    def body(self) -> dict[str, object]:
        return {"error": {"message": self.message, "type": self.type, "param": self.param, "code": self.code}}


class BadRequest(ApiError):
    status = 400
    type = "invalid_request_error"


class ContextTooLong(BadRequest):
    code = "context_length_exceeded"


class Unsupported(BadRequest):
    code = "unsupported_parameter"


class Unauthorized(ApiError):
    status = 401
    type = "invalid_request_error"
    code = "invalid_api_key"
    headers = {"WWW-Authenticate": "Bearer"}


class Forbidden(ApiError):
    status = 403
    type = "invalid_request_error"
    code = "permission_denied"


class NotFound(ApiError):
    status = 404
    type = "invalid_request_error"


class ModelNotFound(NotFound):
    code = "model_not_found"


class NotAllowed(ApiError):
    status = 405
    type = "invalid_request_error"
    code = "method_not_supported"


class TooSlow(ApiError):
    status = 408
    type = "invalid_request_error"
    code = "request_timeout"
    headers = {"Connection": "close"}


class TooLarge(ApiError):
    status = 413
    type = "invalid_request_error"
    code = "request_too_large"
    headers = {"Connection": "close"}


class HeadersTooLarge(ApiError):
    status = 431
    type = "invalid_request_error"
    code = "headers_too_large"


class WrongType(ApiError):
    status = 415
    type = "invalid_request_error"
    code = "unsupported_media_type"


class KeyReused(ApiError):
    status = 422
    type = "invalid_request_error"
    code = "idempotency_key_reused"


class Cancelled(ApiError):
    """The client asked for it, or hung up (then nobody reads this)."""

    status = 499
    type = "invalid_request_error"
    code = "request_cancelled"
    headers = {"x-should-retry": "false"}

    def __init__(self) -> None:
        super().__init__("The request was cancelled.")


class Misdirected(ApiError):
    status = 421
    type = "invalid_request_error"
    code = "misdirected_request"


class Overloaded(ApiError):
    status = 429
    type = "rate_limit_error"
    code = "rate_limit_exceeded"

    def __init__(self, message: str, *, retry_after: int = 1) -> None:
        """`retry_after`: seconds."""
        super().__init__(message)
        self.headers = {"Retry-After": str(retry_after)}


class Internal(ApiError):
    status = 500
    headers = {"x-should-retry": "false"}


class Upstream(ApiError):
    """Not to be repeated blindly: every sample was tried, so that each repeat costs as much again."""

    status = 502
    code = "engine_error"
    headers = {"x-should-retry": "false"}


class Unready(ApiError):
    status = 503
    type = "service_unavailable"
    code = "not_ready"
    headers = {"Retry-After": "5"}


class Leaving(Unready):
    headers = {**Unready.headers, "Connection": "close"}


class Late(ApiError):
    status = 504
    type = "timeout_error"
    code = "deadline_exceeded"
    headers = {"x-should-retry": "false"}


CODES = {
    "missing": "missing_required_parameter",
    "extra_forbidden": "unknown_parameter",
    "literal_error": "invalid_value",
    "union_tag_invalid": "invalid_value",
    "greater_than": "value_below_min_value",
    "greater_than_equal": "value_below_min_value",
    "less_than": "value_above_max_value",
    "less_than_equal": "value_above_max_value",
    "too_short": "array_too_short",
    "too_long": "array_too_long",
    "string_too_long": "string_above_max_length",
    "string_too_short": "string_below_min_length",
}
WORDS = {
    "missing_required_parameter": "Missing required parameter: '{param}'.",
    "unknown_parameter": "Unknown parameter: '{param}'.",
}
LONGEST_MESSAGE = 500


def invalid(error: ValidationError, prefix: str = "", hide: Collection[str] = ()) -> BadRequest:
    """A validation error as OpenAI words it: the first thing that is wrong, its parameter and its code.

    Of a union's complaints the deepest is told: it is about the alternative that was meant.
    `hide`: tags of a union that are no part of the parameter's path.
    """
    errors = error.errors(include_url=False, include_input=False)
    first = max((e for e in errors if e["loc"][:1] == errors[0]["loc"][:1]), key=lambda e: len(e["loc"]))
    steps = [_part(step) for step in first["loc"] if step not in hide]
    path = ".".join(step for step in (prefix, *steps) if step)
    code = CODES.get(first["type"], "invalid_type" if first["type"].endswith("_type") else "invalid_value")
    reason = first["msg"].removeprefix("Value error, ")
    if code == "invalid_type":
        words = f"Invalid type for '{path}': {reason[:1].lower()}{reason[1:]}."
    else:
        words = WORDS.get(code, "Invalid value for '{param}': " + reason.replace("{", "{{").replace("}", "}}") + ".")
    return BadRequest(words.format(param=path)[:LONGEST_MESSAGE], param=path or None, code=code)


def _part(part: int | str) -> str:
    """A step of pydantic's path, without the marks of its unions."""
    return "" if isinstance(part, str) and ("[" in part or part in UNION_MARKS) else str(part)


UNION_MARKS = frozenset(
    {"str", "int", "float", "bool", "tuple", "list", "dict", "none", "nullable", "constrained-str", "ToolChoice"}
)
