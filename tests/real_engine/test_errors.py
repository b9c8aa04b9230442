"""The ApiError for each kind of exception that vLLM's engine raises."""

from http import HTTPStatus

import pytest

from cogitate.server.errors import ApiError, BadRequest, NotReady, Overloaded, UpstreamError

pytestmark = pytest.mark.engine


def convert(error: Exception) -> ApiError:
    from cogitate.server.engine.vllm.errors import to_api_error

    return to_api_error(error)


def test_a_refusal_to_admit_more_requests_is_to_be_retried():
    from vllm.exceptions import GracefulHTTPError, MaxQueuedTokensError, QueueOverflowError, RetryableRequestError

    busy = GracefulHTTPError("paused", HTTPStatus.SERVICE_UNAVAILABLE)
    for error in (QueueOverflowError(), MaxQueuedTokensError(), RetryableRequestError(), busy):
        assert isinstance(convert(error), Overloaded) and convert(error).headers["Retry-After"]


def test_a_request_that_the_engine_lost_is_an_upstream_error():
    from vllm.exceptions import GenerationError
    from vllm.v1.engine.exceptions import EngineGenerateError

    for error in (GenerationError(), EngineGenerateError()):
        assert isinstance(convert(error), UpstreamError)


def test_an_error_of_generate_is_its_cause():
    from vllm.v1.engine.exceptions import EngineGenerateError

    error = EngineGenerateError()
    error.__cause__ = ValueError("top_k must be -1 or positive")
    assert isinstance(convert(error), BadRequest) and convert(error).param == "top_k"


def test_a_dead_engine_is_not_ready():
    from vllm.v1.engine.exceptions import EngineDeadError

    assert isinstance(convert(EngineDeadError()), NotReady) and convert(EngineDeadError()).code == "engine_dead"


def test_a_fault_of_this_server_is_raised_again():
    with pytest.raises(KeyError):
        convert(KeyError("x"))
