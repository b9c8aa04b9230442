"""Where an unforeseen failure came from, for the log: no message and no source line, which may hold a secret."""

from pathlib import Path
from traceback import extract_tb

_FRAMES = 6


def format_traceback(failure: BaseException) -> str:
    """`KeyError at ballot.py:31 in ranked < run.py:90 in each`, and what it came from; never what it says."""
    frames = reversed(extract_tb(failure.__traceback__)[-_FRAMES:])
    at = " < ".join(f"{Path(frame.filename).name}:{frame.lineno} in {frame.name}" for frame in frames)
    said = f"{type(failure).__name__} at {at or 'no frame'}"
    return f"{said}, from {format_traceback(failure.__cause__)}" if failure.__cause__ else said
