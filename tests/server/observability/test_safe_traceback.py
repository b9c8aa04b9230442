"""Tracebacks in the log: where an exception was raised, never its message."""

from cogitate.server.observability.safe_traceback import format_traceback


def fail(word: str) -> None:
    try:
        raise KeyError(word)
    except KeyError as error:
        raise ValueError(word) from error


def test_a_traceback_has_the_frames_and_the_cause_but_no_message() -> None:
    try:
        fail("canary")
    except ValueError as error:
        text = format_traceback(error)
    assert text.startswith("ValueError at test_safe_traceback.py:")
    assert "in fail < test_safe_traceback.py:" in text and ", from KeyError at " in text
    assert "canary" not in text and "/" not in text


def test_an_exception_that_was_never_raised_has_no_frame() -> None:
    assert format_traceback(ValueError("canary")) == "ValueError at no frame"
