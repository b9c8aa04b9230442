"""Landlock and seccomp, applied by the process itself: needs no namespaces, so it works in Docker as Docker comes.

Raw system calls, for the package `landlock` knows neither network rules nor scopes, and libseccomp is not everywhere.
"""

import ctypes
import os
import signal
import struct
import sys
from typing import Any

CREATE_RULESET, ADD_RULE, RESTRICT_SELF = 444, 445, 446
FILES, NETWORK, SCOPES = 0xFFFF, 0x3, 0x3
"""All rights over files, to bind and connect, and over signals and abstract sockets: denied but for what rules say."""
PATH_BENEATH = 1
NO_NEW_PRIVS, PDEATHSIG, SET_SECCOMP, FILTER_MODE = 38, 1, 22, 2

_libc = ctypes.CDLL(None, use_errno=True)


def _must(result: int) -> int:
    if result < 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
    return result


def become(wanted: "dict[str, Any]") -> int:
    """Drop to the run's own user, and die with the server. The tasks that this user has already, elsewhere."""
    if wanted["user"] is not None:
        os.setgroups([])
        os.setresgid(wanted["user"], wanted["user"], wanted["user"])
        os.setresuid(wanted["user"], wanted["user"], wanted["user"])
    _must(_libc.prctl(PDEATHSIG, signal.SIGKILL, 0, 0, 0))
    if os.getppid() != wanted["parent"]:
        sys.exit("the server is gone")
    return 0 if wanted["user"] is not None else _tasks_of(os.getuid())


def _tasks_of(user: int) -> int:
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


def lock(wanted: "dict[str, Any]") -> None:
    _must(_libc.prctl(NO_NEW_PRIVS, 1, 0, 0, 0))
    rules = _ruleset()
    for path, rights in wanted["paths"]:
        _allow(rules, path, rights)
    _must(_libc.syscall(RESTRICT_SELF, rules, 0))
    os.close(rules)
    _filter(wanted["filter"])


def _ruleset() -> int:
    attributes = struct.pack("=QQQ", FILES, NETWORK, SCOPES)
    return _must(_libc.syscall(CREATE_RULESET, attributes, ctypes.c_size_t(len(attributes)), 0))


def _allow(rules: int, path: str, rights: int) -> None:
    place = os.open(path, os.O_PATH | os.O_CLOEXEC)
    _must(_libc.syscall(ADD_RULE, rules, PATH_BENEATH, struct.pack("=Qi", rights, place), 0))
    os.close(place)


def _filter(program: bytes) -> None:
    code = ctypes.create_string_buffer(program, len(program))
    head = struct.pack("HxxxxxxP", len(program) // 8, ctypes.addressof(code))
    _must(_libc.prctl(SET_SECCOMP, FILTER_MODE, head, 0, 0))
