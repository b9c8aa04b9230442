"""Escape attempts that the self-test runs inside the sandbox; selftest.py prepends TARGETS. Never imported."""

import ctypes
import os
import socket
from collections.abc import Callable
from typing import Any

TARGETS: Any = globals().get("TARGETS")
EXPECTED = {"PYTHONHASHSEED", "PWD", "LC_CTYPE"}
"""Environment variables that a process in the sandbox may have."""
SEIZE = 0x4206
SYSCALLS = {
    "mount": (165, 0),
    "unshare": (272, 0),
    "ptrace": (101, SEIZE),  # attaches to no process
    "bpf": (321, 0),
    "io_uring_setup": (425, 0),
    "memfd_create": (319, 0),
}


def can_read(path: str) -> bool:
    with open(path, "rb") as file:
        return bool(file.read(1))


def can_write(path: str) -> bool:
    with open(path, "w"):
        return True


def can_connect(family: int, address: "str | tuple[str, int]") -> bool:
    with socket.socket(family) as client:
        client.connect(address)
        return True


def can_signal(pid: int) -> bool:
    if pid != os.getpid():  # an executor may be in another pid namespace than the server
        os.kill(pid, 0)
        return True
    return False


def can_fork() -> bool:
    if os.fork() == 0:
        os._exit(0)
    return True


def can_allocate() -> bool:
    return len(bytearray(768 << 20)) > 0


def can_call(number: int, argument: int) -> bool:
    libc = ctypes.CDLL(None, use_errno=True)
    return bool(libc.syscall(number, argument, 0, 0, 0, 0) >= 0 or ctypes.get_errno() not in (1, 38))


def has_unexpected_environment() -> bool:
    return bool(set(os.environ) - EXPECTED)  # noqa: TID251  the sandbox's environment


ATTEMPTS: Any = {
    "an environment": has_unexpected_environment,
    "a file's content": lambda: can_read(TARGETS["file"]),
    "/etc/passwd": lambda: can_read("/etc/passwd"),
    "the environment of process 1": lambda: can_read("/proc/1/environ"),
    "the server's environment": lambda: can_read("/proc/" + str(TARGETS["pid"]) + "/environ"),
    "a file written next to the server's": lambda: can_write(TARGETS["file"] + ".new"),
    "a file written in /tmp": lambda: can_write("/tmp/cogitate-escaped"),
    "a file written in /": lambda: can_write("/cogitate-escaped"),
    "a connection to a port": lambda: can_connect(socket.AF_INET, ("127.0.0.1", TARGETS["port"])),
    "a connection to a Unix socket": lambda: can_connect(socket.AF_UNIX, TARGETS["unix"]),
    "a connection to an abstract socket": lambda: can_connect(socket.AF_UNIX, "\0" + TARGETS["abstract"]),
    "a signal to the server": lambda: can_signal(TARGETS["pid"]),
    "a process of its own": can_fork,
    "768 MB of memory": can_allocate,
    **{"the system call " + name: lambda call=call: can_call(*call) for name, call in SYSCALLS.items()},
}


def succeeds(attempt: "Callable[[], object]") -> bool:
    try:
        return bool(attempt())
    except (OSError, MemoryError):
        return False


if __name__ == "__main__":
    print(", ".join(name for name, attempt in ATTEMPTS.items() if succeeds(attempt)) or "none")  # noqa: T201
