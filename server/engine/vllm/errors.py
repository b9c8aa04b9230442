"""vLLM's failures, told in our words."""

from pydantic import ValidationError
from vllm.entrypoints.serve.engine.protocol import ErrorResponse
from vllm.exceptions import VLLMClientError, VLLMNotFoundError, VLLMValidationError
from vllm.v1.engine.exceptions import EngineDeadError, EngineGenerateError

from cogitate.server.engine.error_field import named
from cogitate.server.errors import ApiError, BadRequest, ContextTooLong, ModelNotFound, Overloaded, Unready, Upstream
from cogitate.server.protocol.validation import invalid

TOO_LONG = ("maximum context length", "max_model_len", "longer than the maximum model length", "input_tokens")
LONGEST_MESSAGE = 500


def translated(error: Exception) -> ApiError:
    """What a client is told of an exception that vLLM raised. Re-raises what is nobody's but ours."""
    if isinstance(error, ApiError):
        return error
    if isinstance(error, ValidationError):
        return invalid(error)
    if isinstance(error, EngineDeadError):
        return Unready("The engine has stopped; the server is going down.", code="engine_dead")
    if isinstance(error, EngineGenerateError):
        cause = error.__cause__
        return translated(cause) if isinstance(cause, Exception) else Upstream("The engine lost this request.")
    if isinstance(error, VLLMNotFoundError):
        return ModelNotFound(str(error))
    if isinstance(error, VLLMValidationError | VLLMClientError | ValueError | TypeError | NotImplementedError):
        parameter = error.parameter if isinstance(error, VLLMValidationError) else None
        return _bad_request(str(error), parameter)
    if any(kind.__name__ == "TemplateError" for kind in type(error).__mro__):
        return BadRequest("The model's chat template does not take these messages.", param="messages")
    raise error


def refused(answer: ErrorResponse) -> ApiError:
    """An error that vLLM's handler returned rather than raised."""
    error = answer.error
    if error.code == 404:
        return ModelNotFound(error.message, param=error.param)
    if error.code in (429, 503):
        return Overloaded("The engine's queue is full.")
    if error.code >= 500 and error.code != 501:
        return Upstream("The engine lost this request.")
    return _bad_request(error.message, error.param)


def _bad_request(message: str, parameter: str | None) -> BadRequest:
    words = message.split(" (parameter=")[0][:LONGEST_MESSAGE]
    if any(mark in message for mark in TOO_LONG):
        return ContextTooLong(words, param="messages")
    return BadRequest(words, param=parameter or named(words))
