"""Finds the fatal exception in vLLM's log; the child process reports only an exit code."""

import re
from pathlib import Path

FATAL_LINE = re.compile(r"failed to start\.|encountered a fatal error\.")
EXCEPTION_LINE = re.compile(r"(?:^|\] )(?:[\w.]*\.)?\w+(?:Error|Exception|Exit): (.+)$")
"""The last line of a traceback, after the prefix of vLLM's log lines."""
MAX_MESSAGE_CHARACTERS = 600
MAX_LOG_BYTES = 4 << 20
"""Read from the end of the log."""


def find_fatal_error(log: Path) -> str:
    """Return the message of the exception that ended the first process to fail, in one line; empty if there is none.

    It is the first exception after the first fatal line: exceptions raised while it was handled follow it, and so do
    those that other processes then raise about this one.
    """
    try:
        with log.open("rb") as file:
            file.seek(max(0, log.stat().st_size - MAX_LOG_BYTES))
            lines = iter(file.read().decode(errors="replace").splitlines())
    except OSError:
        return ""
    has_failed = any(FATAL_LINE.search(line) for line in lines)  # consumes the lines up to it
    match = next((found for line in lines if (found := EXCEPTION_LINE.search(line))), None) if has_failed else None
    return " ".join(match[1].split())[:MAX_MESSAGE_CHARACTERS] if match else ""
