"""Escape attempts that the self-test runs inside the sandbox; selftest.py prepends TARGETS. Never imported."""

import ctypes
import os
import socket
from collections.abc import Callable
from typing import Any

TARGETS: Any = globals().get("TARGETS")
EXPECTED = {"PYTHONHASHSEED", "PWD", "LC_CTYPE"}
SEIZE = 0x4206
SYSCALLS = {
    "mount": (165, 0),
    "unshare": (272, 0),
    "ptrace": (101, SEIZE),  # attaches to no process
    "bpf": (321, 0),
    "io_uring_setup": (425, 0),
    "memfd_create": (319, 0),
}


def reads(path: str) -> bool:
    with open(path, "rb") as file:
        return bool(file.read(1))


def writes(path: str) -> bool:
    with open(path, "w"):
        return True


def connects(family: int, address: "str | tuple[str, int]") -> bool:
    with socket.socket(family) as client:
        client.connect(address)
        return True


def signals(pid: int) -> bool:
    if pid != os.getpid():  # an executor may be in another pid namespace than the server
        os.kill(pid, 0)
        return True
    return False


def forks() -> bool:
    if os.fork() == 0:
        os._exit(0)
    return True


def takes_memory() -> bool:
    return len(bytearray(768 << 20)) > 0


def calls(number: int, argument: int) -> bool:
    libc = ctypes.CDLL(None, use_errno=True)
    return bool(libc.syscall(number, argument, 0, 0, 0, 0) >= 0 or ctypes.get_errno() not in (1, 38))


def sees_environment() -> bool:
    return bool(set(os.environ) - EXPECTED)  # noqa: TID251  the sandbox's environment


ATTEMPTS: Any = {
    "an environment": sees_environment,
    "a file's content": lambda: reads(TARGETS["file"]),
    "/etc/passwd": lambda: reads("/etc/passwd"),
    "the environment of process 1": lambda: reads("/proc/1/environ"),
    "the server's environment": lambda: reads("/proc/" + str(TARGETS["pid"]) + "/environ"),
    "a file written next to the server's": lambda: writes(TARGETS["file"] + ".new"),
    "a file written in /tmp": lambda: writes("/tmp/cogitate-escaped"),
    "a file written in /": lambda: writes("/cogitate-escaped"),
    "a connection to a port": lambda: connects(socket.AF_INET, ("127.0.0.1", TARGETS["port"])),
    "a connection to a Unix socket": lambda: connects(socket.AF_UNIX, TARGETS["unix"]),
    "a connection to an abstract socket": lambda: connects(socket.AF_UNIX, "\0" + TARGETS["abstract"]),
    "a signal to the server": lambda: signals(TARGETS["pid"]),
    "a process of its own": forks,
    "768 MB of memory": takes_memory,
    **{"the system call " + name: lambda call=call: calls(*call) for name, call in SYSCALLS.items()},
}


def succeeds(attempt: "Callable[[], object]") -> bool:
    try:
        return bool(attempt())
    except (OSError, MemoryError):
        return False


if __name__ == "__main__":
    print(", ".join(name for name, attempt in ATTEMPTS.items() if succeeds(attempt)) or "none")  # noqa: T201
