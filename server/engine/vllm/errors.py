"""Maps vLLM's exceptions and error responses to ApiError."""

from pydantic import ValidationError
from vllm.entrypoints.serve.engine.protocol import ErrorResponse
from vllm.exceptions import (
    GracefulHTTPError,
    RetryableRequestError,
    VLLMClientError,
    VLLMNotFoundError,
    VLLMServerError,
    VLLMValidationError,
)
from vllm.v1.engine.exceptions import EngineDeadError, EngineGenerateError

from cogitate.server.engine.error_message import find_field, is_context_too_long, parse_context_error
from cogitate.server.errors import (
    ApiError,
    BadRequest,
    ModelNotFound,
    NotReady,
    Overloaded,
    UpstreamError,
)
from cogitate.server.protocol.validation import to_bad_request

MAX_MESSAGE_CHARACTERS = 500
LOST_REQUEST = "The engine lost this request."
QUEUE_FULL = "The engine's queue is full."


def to_api_error(error: Exception) -> ApiError:
    """Map an exception that vLLM raised. Re-raises an exception that is a fault of this server."""
    if isinstance(error, ApiError):
        return error
    if isinstance(error, ValidationError):
        return to_bad_request(error)
    if isinstance(error, GracefulHTTPError | VLLMServerError):
        return _server_error(error)
    if isinstance(error, VLLMNotFoundError):
        return ModelNotFound(str(error))
    if isinstance(error, VLLMValidationError | VLLMClientError | ValueError | TypeError | NotImplementedError):
        parameter = error.parameter if isinstance(error, VLLMValidationError) else None
        return _bad_request(str(error), parameter)
    if any(kind.__name__ == "TemplateError" for kind in type(error).__mro__):
        return BadRequest("The model's chat template does not take these messages.", param="messages")
    raise error


def parse_error_response(response: ErrorResponse) -> ApiError:
    """Map an error that vLLM's handler returned rather than raised."""
    error = response.error
    if error.code == 404:
        return ModelNotFound(error.message, param=error.param)
    if error.code in (429, 503):
        return Overloaded(QUEUE_FULL)
    if error.code >= 500 and error.code != 501:
        return UpstreamError(LOST_REQUEST)
    return _bad_request(error.message, error.param)


def _server_error(error: Exception) -> ApiError:
    if isinstance(error, EngineDeadError):
        return NotReady("The engine has stopped; the server is going down.", code="engine_dead")
    if isinstance(error, GracefulHTTPError | RetryableRequestError):
        return Overloaded(QUEUE_FULL)
    cause = error.__cause__ if isinstance(error, EngineGenerateError) else None
    return to_api_error(cause) if isinstance(cause, Exception) else UpstreamError(LOST_REQUEST)


def _bad_request(message: str, parameter: str | None) -> BadRequest:
    reason = message.split(" (parameter=")[0][:MAX_MESSAGE_CHARACTERS]
    if is_context_too_long(message):
        return parse_context_error(reason, "messages")
    return BadRequest(reason, param=parameter or find_field(reason))
