"""Landlock, seccomp and rlimits: what a process can do to itself without namespaces. For inside a default container.

The process sees /usr and may open nothing else, has no network, may signal nobody and cannot make a process. Unlike
under bubblewrap it can still ask whether a file exists, and how large and old it is.
"""

import ctypes
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from cogitate.server.engine import CannotStart
from cogitate.server.sandbox import interpreter, seccomp
from cogitate.server.sandbox.backend import Start, confinement, user_at
from cogitate.server.sandbox.limits import Limits

WRITE_FILE, READ_FILE, READ_DIR = 0x2, 0x4, 0x8
LEAST = 6
"""Landlock's version, since Linux 6.12: the first that keeps signals and abstract sockets in."""
READABLE = ("/usr", "/lib", "/lib64")
DEVICES = (("/dev/null", READ_FILE | WRITE_FILE), ("/dev/zero", READ_FILE), ("/dev/urandom", READ_FILE))
CREATE_RULESET, ASK_VERSION = 444, 1


@dataclass(frozen=True, slots=True)
class Landlock:
    name: str = "landlock"

    @contextmanager
    def start(self, place: int, limits: Limits) -> Iterator[Start]:
        own = {
            "user": user_at(place),
            "parent": os.getpid(),
            "paths": [(path, READ_FILE | READ_DIR) for path in READABLE if Path(path).exists()] + list(DEVICES),
            "filter": seccomp.compiled(may_exec=False),
        }
        yield Start(interpreter.command(), confinement(limits, own))


def landlock() -> Landlock:
    """Raises CannotStart on a kernel that cannot, or may not."""
    libc = ctypes.CDLL(None, use_errno=True)
    version = libc.syscall(CREATE_RULESET, None, ctypes.c_size_t(0), ASK_VERSION)
    if version < LEAST:
        has = f"has version {version}" if version > 0 else f"says: {os.strerror(ctypes.get_errno())}"
        raise CannotStart(f"--code-exec landlock needs Landlock version {LEAST} (Linux 6.12); this kernel {has}")
    return Landlock()
