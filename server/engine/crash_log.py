"""What ended an engine, by its log: its processes tell their parent no more than that they ended."""

import re
from pathlib import Path

FATAL = re.compile(r"failed to start\.|encountered a fatal error\.")
RAISED = re.compile(r"(?:^|\] )(?:[\w.]*\.)?\w+(?:Error|Exception|Exit): (.+)$")
"""The last line of a traceback, behind the prefix that vLLM's log gives each line."""
LONGEST = 600
MOST = 4 << 20
"""Bytes of the log's end that are read."""


def last_words(log: Path) -> str:
    """What the first process to fail raised, in one line; empty where the log does not say.

    The first of its traceback: what is raised while that is handled comes behind it, and so does what other processes
    then raise about this one.
    """
    try:
        with log.open("rb") as file:
            file.seek(max(0, log.stat().st_size - MOST))
            lines = iter(file.read().decode(errors="replace").splitlines())
    except OSError:
        return ""
    fatal = any(FATAL.search(line) for line in lines)  # leaves what follows it
    raised = next((found for line in lines if (found := RAISED.search(line))), None) if fatal else None
    return " ".join(raised[1].split())[:LONGEST] if raised else ""
