"""`cogitate keys list` and `cogitate keys revoke`: the lines of an API keys file."""

import os
import tempfile
from dataclasses import dataclass
from pathlib import Path

from cogitate.server.auth.keys import InvalidKeysFile, parse_keys

SHOWN_DIGITS = 12
"""Hex digits of a digest in a list: enough to name a key, and of no use to guess it."""
MIN_PREFIX_DIGITS = 6


@dataclass(frozen=True, slots=True)
class KeyLine:
    """One key of a keys file."""

    number: int
    digest: str
    tenant: str
    limits: tuple[str, ...]

    def __str__(self) -> str:
        return " ".join((self.digest[:SHOWN_DIGITS], self.tenant, *self.limits))


def list_keys(path: Path) -> list[KeyLine]:
    """Read the keys of a file. Raises InvalidKeysFile, or OSError where it cannot be read."""
    text = path.read_text()
    parse_keys(text)  # raises InvalidKeysFile with the number of a malformed line
    keys = []
    for number, line in enumerate(text.splitlines(), 1):
        if words := line.split("#")[0].split():
            keys.append(KeyLine(number, words[0].lower(), words[1], tuple(words[2:])))
    return keys


def revoke_keys(path: Path, which: str) -> list[KeyLine]:
    """Remove all keys of a tenant, or the one key whose digest begins with `which`; comments stay.

    Running servers notice it. Raises InvalidKeysFile where no key or more than one digest matches, OSError where the
    file cannot be written.
    """
    keys = list_keys(path)
    of_tenant = [key for key in keys if key.tenant == which]
    by_digest = [key for key in keys if len(which) >= MIN_PREFIX_DIGITS and key.digest.startswith(which.lower())]
    revoked = of_tenant or by_digest
    if not revoked:
        raise InvalidKeysFile(f"no key has the tenant or the digest {which}; `cogitate keys list` lists them")
    if (of_tenant and by_digest) or len(by_digest) > 1:
        raise InvalidKeysFile(f"{which} names several keys; give more digits of the digest")
    numbers = {key.number for key in revoked}
    lines = path.read_text().splitlines(keepends=True)
    replace_text(path, "".join(line for number, line in enumerate(lines, 1) if number not in numbers))
    return revoked


def replace_text(path: Path, text: str) -> None:
    """Replace a file at once, so that a server never reads half of it. The file's mode stays."""
    target = path.resolve()
    descriptor, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
    try:
        with os.fdopen(descriptor, "w") as file:
            file.write(text)
        os.chmod(name, target.stat().st_mode & 0o777)
        os.replace(name, target)
    except OSError:
        os.unlink(name)
        raise
