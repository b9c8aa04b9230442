"""Flags that cannot be meant: each is refused in one line, before any work."""

import argparse
from pathlib import Path
from urllib.parse import urlsplit

from cogitate.server.evaluation.errors import CannotEvaluate


class BadFlag(CannotEvaluate):
    """Which, and why."""


def positive(written: str) -> int:
    return _at_least(1, written)


def natural(written: str) -> int:
    return _at_least(0, written)


def _at_least(least: int, written: str) -> int:
    try:
        number = int(written)
    except ValueError:
        number = least - 1
    if number < least:
        raise argparse.ArgumentTypeError(f"{written!r} is no whole number of at least {least}")
    return number


def refuse_flags(given: argparse.Namespace) -> None:
    """Raises BadFlag."""
    if given.fill and not given.bank:
        raise BadFlag("--fill draws samples into a bank: --bank says which file")
    if given.server is None and given.model is None and (given.fill or not given.bank):
        raise BadFlag(
            "--server says which server to ask, --model what to serve; --bank FILE alone replays what is there"
        )
    if given.server is not None and not is_url(given.server):
        raise BadFlag(f"--server {given.server}: it is no http:// or https:// URL")
    if given.out and given.out.name in ("", ".."):
        raise BadFlag("--out is the beginning of file names, such as report/gsm8k: it cannot be a folder alone")
    if given.bank and given.beside is not None:
        raise BadFlag("--beside is for a live run: over a bank all of its samples stand beside")
    api_key(given.api_key_file)


def is_url(written: str) -> bool:
    try:
        parts = urlsplit(written)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False


def api_key(path: Path | None) -> str | None:
    """Raises BadFlag."""
    try:
        return path.read_text().strip() if path else None
    except (OSError, UnicodeDecodeError) as error:
        raise BadFlag(f"--api-key-file {path} cannot be read: {error}") from None
