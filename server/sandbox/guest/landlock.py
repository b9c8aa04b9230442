"""Landlock and seccomp, applied by the process to itself: needs no namespaces, so that it works in default Docker.

Raw system calls: the package `landlock` supports neither network rules nor scopes, and libseccomp is not installed
everywhere.
"""

import ctypes
import os
import signal
import struct
import sys
from typing import Any

CREATE_RULESET, ADD_RULE, RESTRICT_SELF = 444, 445, 446
FILES, NETWORK, SCOPES = 0xFFFF, 0x3, 0x3
"""All rights over files, to bind and connect, and over signals and abstract sockets: denied unless a rule allows."""
PATH_BENEATH = 1
NO_NEW_PRIVS, PDEATHSIG, SET_SECCOMP, FILTER_MODE = 38, 1, 22, 2

_libc = ctypes.CDLL(None, use_errno=True)


def _check(result: int) -> int:
    """Return the result of a call. Raises OSError where it is negative."""
    if result < 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
    return result


def drop_privileges(rules: "dict[str, Any]") -> int:
    """Change to the run's own user, and ask to be killed when the server dies.

    Returns how many tasks the user has elsewhere.
    """
    user = rules["user"]
    if user is not None:
        os.setgroups([])
        os.setresgid(user, user, user)
        os.setresuid(user, user, user)
    _check(_libc.prctl(PDEATHSIG, signal.SIGKILL, 0, 0, 0))
    if os.getppid() != rules["parent"]:
        sys.exit("the server is gone")
    return 0 if user is not None else _count_tasks(os.getuid())


def _count_tasks(user: int) -> int:
    return sum(_threads(name) for name in os.listdir("/proc") if name.isdigit() and _owner(name) == user)


def _owner(pid: str) -> int:
    try:
        return os.stat("/proc/" + pid).st_uid
    except OSError:
        return -1


def _threads(pid: str) -> int:
    try:
        return len(os.listdir("/proc/" + pid + "/task"))
    except OSError:
        return 0


def restrict(rules: "dict[str, Any]") -> None:
    """Apply Landlock with the paths of the rules, and then the seccomp filter."""
    _check(_libc.prctl(NO_NEW_PRIVS, 1, 0, 0, 0))
    ruleset = _create_ruleset()
    for path, rights in rules["paths"]:
        _allow(ruleset, path, rights)
    _check(_libc.syscall(RESTRICT_SELF, ruleset, 0))
    os.close(ruleset)
    _install_filter(rules["filter"])


def _create_ruleset() -> int:
    attributes = struct.pack("=QQQ", FILES, NETWORK, SCOPES)
    return _check(_libc.syscall(CREATE_RULESET, attributes, ctypes.c_size_t(len(attributes)), 0))


def _allow(ruleset: int, path: str, rights: int) -> None:
    descriptor = os.open(path, os.O_PATH | os.O_CLOEXEC)
    _check(_libc.syscall(ADD_RULE, ruleset, PATH_BENEATH, struct.pack("=Qi", rights, descriptor), 0))
    os.close(descriptor)


def _install_filter(program: bytes) -> None:
    code = ctypes.create_string_buffer(program, len(program))
    head = struct.pack("HxxxxxxP", len(program) // 8, ctypes.addressof(code))
    _check(_libc.prctl(SET_SECCOMP, FILTER_MODE, head, 0, 0))
