"""Exceptions that become HTTP responses: status, type and code of OpenAI's error envelope.

ApiError                          base class
├── BadRequest                400 a field is invalid; `param` names it
│   ├── ContextTooLong            code context_length_exceeded
│   └── UnsupportedParameter      a field that the strategy or the engine cannot honour
├── Unauthorized              401 code invalid_api_key
├── Forbidden                 403
├── NotFound                  404 an unknown URL or id
│   └── ModelNotFound             code model_not_found
├── MethodNotAllowed          405
├── RequestTimeout            408 the headers or the body did not arrive in time
├── BodyTooLarge              413
├── UnsupportedMediaType      415
├── MisdirectedRequest        421 a Host that is not allowed
├── IdempotencyKeyReused      422 the Idempotency-Key was sent with another body before
├── HeadersTooLarge           431
├── Overloaded                429 with Retry-After
├── RequestCancelled          499 the client cancelled it
├── InternalError             500 a bug; the cause is logged, never sent
├── UpstreamError             502 the engine lost the request
├── NotReady                  503 loading or stalled; with Retry-After
│   └── ShuttingDown              draining or dead: connections are closed
└── DeadlineExceeded          504 the deadline passed before there was an answer
"""

from collections.abc import Mapping
from typing import ClassVar, Literal, get_args

Limit = Literal[
    "wrong_keys",
    "key_requests",
    "key_tokens",
    "key_generations",
    "server_requests",
    "server_generations",
    "engine_queue",
    "upstream_busy",
]
"""The limits that a 429 is due to: those of a client's address and of its key, of this server, and of its engine."""
REASONS = (
    *("invalid_request", "context_length_exceeded", "unsupported_parameter", "cost_exceeded"),
    *("invalid_api_key", "permission_denied", "not_found", "model_not_found", "previous_response_not_found"),
    *("method_not_supported", "request_timeout", "request_too_large", "unsupported_media_type", "misdirected_request"),
    *("idempotency_key_reused", *get_args(Limit), "request_cancelled", "internal_error"),
    *("engine_error", "upstream_refused", "upstream_not_found", "upstream_down"),
    *("not_ready", "shutting_down", "engine_stalled", "engine_dead", "deadline_exceeded", "budget_exhausted", "other"),
)
"""Why requests are refused or fail. `other`: an error that an application of the engine's own has rendered."""
MAX_MESSAGE_BYTES = 800
MAX_PARAM_BYTES = 120
"""Limits of the envelope's fields. Clients choose the names of fields, and an error response stays below 2 kB."""


def truncate(text: str, max_bytes: int) -> str:
    """Truncate to `max_bytes` and replace characters that JSON would escape to \\uXXXX by a question mark."""
    start = text[:max_bytes].encode(errors="replace")[:max_bytes].decode(errors="ignore")
    return "".join(character if character.isprintable() or character in "\n\t" else "?" for character in start)


class ApiError(Exception):
    """An error response. The message must not contain parts of the prompt, paths or secrets."""

    status: ClassVar[int] = 500
    type: ClassVar[str] = "server_error"
    code: str | None = None
    headers: Mapping[str, str] = {}
    kind: ClassVar[str] = "internal_error"
    """The reason of an error whose code is none."""

    def __init__(self, message: str, *, param: str | None = None, code: str | None = None) -> None:
        super().__init__(message)
        self.message, self.code = truncate(message, MAX_MESSAGE_BYTES), code or self.code
        self.param = None if param is None else truncate(param, MAX_PARAM_BYTES)

    @property
    def reason(self) -> str:
        """The reason in metrics and in the log, one of REASONS: without what is wrong with a field."""
        return self.code if self.code and self.code in REASONS else self.kind

    @property
    def body(self) -> dict[str, object]:
        """OpenAI's error envelope."""
        return {"error": {"message": self.message, "type": self.type, "param": self.param, "code": self.code}}


class BadRequest(ApiError):
    status = 400
    type = "invalid_request_error"
    kind = "invalid_request"


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
    kind = "not_found"


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
    """The client cancelled the request by its id, or disconnected (then the response is not read)."""

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

    def __init__(self, message: str, *, retry_after: int = 1, limit: Limit = "engine_queue") -> None:
        """`retry_after`: seconds after which the client should try again. `limit`: the one that was reached."""
        super().__init__(message)
        self.limit = limit
        self.headers = {"Retry-After": str(retry_after)}

    @property
    def reason(self) -> str:
        return self.limit


class InternalError(ApiError):
    status = 500
    headers = {"x-should-retry": "false"}

    def __init__(self) -> None:
        super().__init__("The server failed to handle the request. Its log has the cause.")


class UpstreamError(ApiError):
    """The engine lost the request. Not to be retried by clients: all samples were tried, and a retry costs as much."""

    status = 502
    code = "engine_error"
    headers = {"x-should-retry": "false"}


class NotReady(ApiError):
    status = 503
    type = "service_unavailable"
    code = "not_ready"
    headers = {"Retry-After": "5"}


class ShuttingDown(NotReady):
    """Its code is that of NotReady, which clients know."""

    headers = {**NotReady.headers, "Connection": "close"}

    @property
    def reason(self) -> str:
        return "shutting_down" if self.code == NotReady.code else super().reason


class DeadlineExceeded(ApiError):
    status = 504
    type = "timeout_error"
    code = "deadline_exceeded"
    headers = {"x-should-retry": "false"}
