"""Errors built from upstream statuses and bodies."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cogitate.server.engine.remote.errors import error_from_status, parse_retry_after
from cogitate.server.errors import ApiError, BadRequest


@pytest.mark.parametrize(
    ("value", "seconds"),
    [("7", 7), ("0", 1), ("-3", 1), ("Fri, 31 Dec", 1), ("1.5", 1), ("", 1), ("99999", 3600), ("²", 1)],
)
def test_retry_after_is_between_one_second_and_one_hour(value, seconds):
    assert parse_retry_after(value) == seconds


@pytest.mark.parametrize(
    ("body", "message", "param"),
    [
        (b'{"error": {"message": "no", "param": "stop"}}', "no", "stop"),
        (b'{"error": "no"}', "no", None),
        (b'{"message": "no", "param": 3}', "no", None),
        (b'{"detail": "no"}', "no", None),
        (b"<html>", "The upstream rejected this request.", None),
        (b"[1]", "The upstream rejected this request.", None),
        (b'{"error": {"message": {"a": 1}}}', "The upstream rejected this request.", None),
    ],
)
def test_bad_request_reason_is_read_in_every_known_format(body, message, param):
    error = error_from_status(400, {}, body)
    assert isinstance(error, BadRequest) and (error.message, error.param) == (message, param)


@given(status=st.integers(201, 999), body=st.binary(max_size=200), after=st.text(max_size=8))
def test_any_error_response_becomes_a_short_printable_message(status, body, after):
    error = error_from_status(status, {"retry-after": after}, body)
    assert isinstance(error, ApiError) and error.status in (400, 429, 502)
    assert len(error.message) <= 500 and error.message.isprintable()
