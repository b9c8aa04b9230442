"""What a status other than 200 means: pure."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cogitate.server.engine.remote.errors import pause, refusal
from cogitate.server.errors import ApiError, BadRequest


@pytest.mark.parametrize(
    ("said", "seconds"),
    [("7", 7), ("0", 1), ("-3", 1), ("Fri, 31 Dec", 1), ("1.5", 1), ("", 1), ("99999", 3600), ("²", 1)],
)
def test_a_pause_is_whole_seconds_within_reason(said, seconds):
    assert pause(said) == seconds


@pytest.mark.parametrize(
    ("body", "message", "param"),
    [
        (b'{"error": {"message": "no", "param": "stop"}}', "no", "stop"),
        (b'{"error": "no"}', "no", None),
        (b'{"message": "no", "param": 3}', "no", None),
        (b'{"detail": "no"}', "no", None),
        (b"<html>", "The upstream does not take this request.", None),
        (b"[1]", "The upstream does not take this request.", None),
        (b'{"error": {"message": {"a": 1}}}', "The upstream does not take this request.", None),
    ],
)
def test_a_reason_is_found_in_all_its_shapes(body, message, param):
    told = refusal(400, {}, body)
    assert isinstance(told, BadRequest) and (told.message, told.param) == (message, param)


@given(status=st.integers(201, 999), body=st.binary(max_size=200), after=st.text(max_size=8))
def test_whatever_comes_is_told_in_short_plain_words(status, body, after):
    told = refusal(status, {"retry-after": after}, body)
    assert isinstance(told, ApiError) and told.status in (400, 429, 502)
    assert len(told.message) <= 500 and told.message.isprintable()
