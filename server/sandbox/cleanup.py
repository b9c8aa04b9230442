"""What a server that was killed may have left, taken away by the next one that starts.

Its runs die with it, all but a bubblewrap that was a millisecond old: that one waits for ever, with nothing inside. The
baits of its start are a folder that only it would have removed.
"""

import os
import re
import shutil
import signal
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from cogitate.server.sandbox.interpreter import OWNER

PREFIX = "cogitate-canary-"


def prefix() -> str:
    """Of the folders that this process makes."""
    return f"{PREFIX}{os.getpid()}-"


def reap() -> None:
    """End the orphans and remove the folders of servers that are no more."""
    for pid in _orphans():
        with suppress(ProcessLookupError, PermissionError):
            os.kill(pid, signal.SIGKILL)
    for folder in Path(tempfile.gettempdir()).glob(f"{PREFIX}*"):
        owner = re.fullmatch(rf"{PREFIX}(\d+)-\w+", folder.name)
        if owner and not Path("/proc", owner[1]).exists() and not folder.is_symlink():
            shutil.rmtree(folder, ignore_errors=True)


def _orphans() -> Iterator[int]:
    """Processes of a sandbox whose parent is neither the server that started them nor such a process itself.

    Those of another pid namespace are a container's: the number in their command is none of ours.
    """
    owners = {int(entry.name): owner for entry in Path("/proc").glob("[0-9]*") if (owner := _owner(entry))}
    for pid, owner in owners.items():
        parent = _parent(pid)
        if parent is not None and parent != owner and parent not in owners and _namespace(pid) == _namespace("self"):
            yield pid


def _owner(entry: Path) -> int | None:
    with suppress(OSError):
        last = (entry / "cmdline").read_bytes().rstrip(b"\0").rpartition(b"\0")[2].decode(errors="replace")
        if found := re.fullmatch(rf"{OWNER}(\d+)", last):
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
