"""Removes what a server that was killed may have left behind; the next server does it as it starts.

Sandboxed processes die with their server, except a bubblewrap in its first millisecond: it waits for ever, with nothing
inside. The folder of the self-test's targets would also have been removed by that server alone.
"""

import os
import re
import shutil
import signal
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from cogitate.server.sandbox.interpreter import OWNER_MARK

FOLDER_PREFIX = "cogitate-canary-"


def folder_prefix() -> str:
    """Return the prefix of temporary folders that this process makes."""
    return f"{FOLDER_PREFIX}{os.getpid()}-"


def remove_leftovers() -> None:
    """Kill sandboxed processes and remove folders whose server no longer runs."""
    for pid in _find_orphans():
        with suppress(ProcessLookupError, PermissionError):
            os.kill(pid, signal.SIGKILL)
    for folder in Path(tempfile.gettempdir()).glob(f"{FOLDER_PREFIX}*"):
        owner = re.fullmatch(rf"{FOLDER_PREFIX}(\d+)-\w+", folder.name)
        if owner and not Path("/proc", owner[1]).exists() and not folder.is_symlink():
            shutil.rmtree(folder, ignore_errors=True)


def _find_orphans() -> Iterator[int]:
    """Yield sandboxed processes whose parent is neither the server that started them nor another sandboxed process.

    Processes of another pid namespace are a container's: the server's pid in their command has another meaning here.
    """
    owners = {int(entry.name): owner for entry in Path("/proc").glob("[0-9]*") if (owner := _owner(entry))}
    for pid, owner in owners.items():
        parent = _parent(pid)
        if parent is not None and parent != owner and parent not in owners and _namespace(pid) == _namespace("self"):
            yield pid


def _owner(entry: Path) -> int | None:
    """The pid of the server that started a sandboxed process; None for all other processes."""
    with suppress(OSError):
        last = (entry / "cmdline").read_bytes().rstrip(b"\0").rpartition(b"\0")[2].decode(errors="replace")
        if found := re.fullmatch(rf"{OWNER_MARK}(\d+)", last):
            return int(found[1])
    return None


def _namespace(pid: int | str) -> str | None:
    with suppress(OSError):
        return os.readlink(f"/proc/{pid}/ns/pid")
    return None


def _parent(pid: int) -> int | None:
    with suppress(OSError):
        return int(Path("/proc", str(pid), "stat").read_text().rpartition(")")[2].split()[1])
    return None
