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

from collections.abc import Mapping
from typing import ClassVar

MAX_MESSAGE_BYTES = 800
MAX_PARAM_BYTES = 120
"""Bytes. A client may call a field what it likes, and no answer to it is longer than 2 kB."""


def truncate(text: str, most: int) -> str:
    """Its first bytes, and of the signs that JSON takes six letters for none."""
    start = text[:most].encode(errors="replace")[:most].decode(errors="ignore")
    return "".join(sign if sign.isprintable() or sign in "\n\t" else "?" for sign in start)


class ApiError(Exception):
    """A failure as the client sees it. The message must hold nothing of the prompt, of paths or of secrets."""

    status: ClassVar[int] = 500
    type: ClassVar[str] = "server_error"
    code: str | None = None
    headers: Mapping[str, str] = {}

    def __init__(self, message: str, *, param: str | None = None, code: str | None = None) -> None:
        super().__init__(message)
        self.message, self.code = truncate(message, MAX_MESSAGE_BYTES), code or self.code
        self.param = None if param is None else truncate(param, MAX_PARAM_BYTES)

    @property
    def body(self) -> dict[str, object]:
        return {"error": {"message": self.message, "type": self.type, "param": self.param, "code": self.code}}


class BadRequest(ApiError):
    status = 400
    type = "invalid_request_error"


class ContextTooLong(BadRequest):
    code = "context_length_exceeded"


class UnsupportedParameter(BadRequest):
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


class MethodNotAllowed(ApiError):
    status = 405
    type = "invalid_request_error"
    code = "method_not_supported"

    def __init__(self, message: str, allowed: str) -> None:
        super().__init__(message)
        self.headers = {"Allow": allowed}


class RequestTimeout(ApiError):
    status = 408
    type = "invalid_request_error"
    code = "request_timeout"
    headers = {"Connection": "close"}


class BodyTooLarge(ApiError):
    status = 413
    type = "invalid_request_error"
    code = "request_too_large"
    headers = {"Connection": "close"}


class HeadersTooLarge(ApiError):
    status = 431
    type = "invalid_request_error"
    code = "headers_too_large"


class UnsupportedMediaType(ApiError):
    status = 415
    type = "invalid_request_error"
    code = "unsupported_media_type"


class IdempotencyKeyReused(ApiError):
    status = 422
    type = "invalid_request_error"
    code = "idempotency_key_reused"


class RequestCancelled(ApiError):
    """The client asked for it, or hung up (then nobody reads this)."""

    status = 499
    type = "invalid_request_error"
    code = "request_cancelled"
    headers = {"x-should-retry": "false"}

    def __init__(self) -> None:
        super().__init__("The request was cancelled.")


class MisdirectedRequest(ApiError):
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


class InternalError(ApiError):
    status = 500
    headers = {"x-should-retry": "false"}

    def __init__(self) -> None:
        super().__init__("Something went wrong on our side.")


class UpstreamError(ApiError):
    """Not to be repeated blindly: every sample was tried, so that each repeat costs as much again."""

    status = 502
    code = "engine_error"
    headers = {"x-should-retry": "false"}


class NotReady(ApiError):
    status = 503
    type = "service_unavailable"
    code = "not_ready"
    headers = {"Retry-After": "5"}


class ShuttingDown(NotReady):
    headers = {**NotReady.headers, "Connection": "close"}


class DeadlineExceeded(ApiError):
    status = 504
    type = "timeout_error"
    code = "deadline_exceeded"
    headers = {"x-should-retry": "false"}
