"""The sandbox backend with Landlock, seccomp and rlimits: a process confines itself, without namespaces.

It also works inside a default container.

The process can read /usr and open nothing else, has no network, cannot signal other processes and cannot make any.
Unlike under bubblewrap it can find out whether a file exists, and its size and age.
"""

import ctypes
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from cogitate.server.engine import CannotStart
from cogitate.server.sandbox import interpreter, seccomp
from cogitate.server.sandbox.backend import LaunchSpec, build_confinement, slot_user
from cogitate.server.sandbox.limits import Limits

WRITE_FILE, READ_FILE, READ_DIR = 0x2, 0x4, 0x8
MIN_LANDLOCK_VERSION = 6
"""The version of Linux 6.12, the first that confines signals and abstract sockets."""
READABLE = ("/usr", "/lib", "/lib64")
DEVICES = (("/dev/null", READ_FILE | WRITE_FILE), ("/dev/zero", READ_FILE), ("/dev/urandom", READ_FILE))
CREATE_RULESET, ASK_VERSION = 444, 1


@dataclass(frozen=True, slots=True)
class Landlock:
    """Starts processes that confine themselves with Landlock and seccomp."""

    name: str = "landlock"

    @contextmanager
    def prepare(self, slot: int, limits: Limits) -> Iterator[LaunchSpec]:
        """Yield the launch specification of one process (see `SandboxBackend`)."""
        rules = {
            "user": slot_user(slot),
            "parent": os.getpid(),
            "paths": [(path, READ_FILE | READ_DIR) for path in READABLE if Path(path).exists()] + list(DEVICES),
            "filter": seccomp.build_filter(may_exec=False),
        }
        yield LaunchSpec(interpreter.command(), build_confinement(limits, rules))


def open_landlock() -> Landlock:
    """Return the backend. Raises CannotStart where the kernel's Landlock is too old, or not enabled."""
    libc = ctypes.CDLL(None, use_errno=True)
    version = libc.syscall(CREATE_RULESET, None, ctypes.c_size_t(0), ASK_VERSION)
    if version < MIN_LANDLOCK_VERSION:
        state = f"has version {version}" if version > 0 else f"reports: {os.strerror(ctypes.get_errno())}"
        raise CannotStart(
            f"--code-exec landlock needs Landlock version {MIN_LANDLOCK_VERSION} (Linux 6.12); this kernel {state}"
        )
    return Landlock()
