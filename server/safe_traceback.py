"""Formats a traceback without exception messages or source lines, which may contain secrets."""

from pathlib import Path
from traceback import extract_tb

MAX_FRAMES = 6


def format_traceback(error: BaseException) -> str:
    """Formats the innermost frames and the causes: `KeyError at ballot.py:31 in rank < run.py:90 in each, from ...`."""
    frames = reversed(extract_tb(error.__traceback__)[-MAX_FRAMES:])
    places = " < ".join(f"{Path(frame.filename).name}:{frame.lineno} in {frame.name}" for frame in frames)
    line = f"{type(error).__name__} at {places or 'no frame'}"
    return f"{line}, from {format_traceback(error.__cause__)}" if error.__cause__ else line
