"""The reasons of errors are a closed set: labels in metrics."""

import re
from collections.abc import Iterator
from pathlib import Path

import cogitate.server
import cogitate.server.engine.remote.errors  # noqa: F401 defines errors of its own
from cogitate.server.errors import REASONS, ApiError, BadRequest, NotReady, Overloaded, ShuttingDown

CODE = re.compile(r'\bcode\s*=\s*"([a-z_]+)"')


def list_errors(base: type[ApiError] = ApiError) -> Iterator[type[ApiError]]:
    yield base
    for error in base.__subclasses__():
        yield from list_errors(error)


def test_every_error_has_one_of_the_reasons():
    found = {name: error.__new__(error) for error in list_errors() if (name := error.__name__)}
    assert len(found) >= 24
    for name, error in found.items():
        error.limit = "engine_queue"
        assert error.reason in {*REASONS, "headers_too_large"}, (
            name
        )  # the headers are refused before there is a request


def test_every_code_in_the_source_is_one_of_the_reasons():
    texts = [path.read_text() for path in Path(cogitate.server.__path__[0]).rglob("*.py")]
    codes = {code for text in texts for code in CODE.findall(text)}
    assert len(codes) > 20 and codes - {"headers_too_large", "rate_limit_exceeded"} <= set(REASONS)


def test_codes_of_invalid_fields_and_of_upstreams_are_one_reason():
    assert BadRequest("x", code="invalid_type").reason == BadRequest("x").reason == "invalid_request"


def test_reason_tells_which_limit_a_429_is_due_to_and_its_code_stays_openais():
    error = Overloaded("Too many.", limit="server_requests")
    assert (error.reason, error.code) == ("server_requests", "rate_limit_exceeded")


def test_reason_tells_a_server_that_loads_from_one_that_shuts_down():
    assert NotReady("x").reason == "not_ready" and ShuttingDown("x").reason == "shutting_down"
    assert ShuttingDown("x").code == "not_ready" and ShuttingDown("x", code="engine_dead").reason == "engine_dead"
