"""What the log tells of an unforeseen failure: where, never what was said."""

from cogitate.server.safe_traceback import format_traceback


def failing(word: str) -> None:
    try:
        raise KeyError(word)
    except KeyError as error:
        raise ValueError(word) from error


def test_it_tells_where_and_from_what_but_not_what_was_said() -> None:
    try:
        failing("canary")
    except ValueError as error:
        said = format_traceback(error)
    assert said.startswith("ValueError at test_safe_traceback.py:")
    assert "in failing < test_safe_traceback.py:" in said and ", from KeyError at " in said
    assert "canary" not in said and "/" not in said


def test_what_was_never_raised_has_no_frame() -> None:
    assert format_traceback(ValueError("canary")) == "ValueError at no frame"
