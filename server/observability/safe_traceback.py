"""Formats exceptions for the log, without their messages, which may contain secrets."""

from pathlib import Path
from traceback import extract_tb

MAX_FRAMES = 6
"""Frames of a traceback in the log."""


def format_traceback(error: BaseException) -> str:
    """Format the innermost frames and the causes for the log: `KeyError at ballot.py:31 in rank < run.py:90 in each`.

    Exception messages and source lines are left out: they may contain secrets.
    """
    frames = reversed(extract_tb(error.__traceback__)[-MAX_FRAMES:])
    places = " < ".join(f"{Path(frame.filename).name}:{frame.lineno} in {frame.name}" for frame in frames)
    line = f"{type(error).__name__} at {places or 'no frame'}"
    return f"{line}, from {format_traceback(error.__cause__)}" if error.__cause__ else line
