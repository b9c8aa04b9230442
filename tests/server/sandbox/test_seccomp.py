"""The filter, run as the kernel would run it: what is listed is let through, and nothing else."""

import re
import struct
from pathlib import Path

import pytest

from cogitate.server.sandbox.seccomp import (
    ALLOW,
    AND,
    ENOSYS,
    EPERM,
    EQUAL,
    ERRNO,
    KILL_PROCESS,
    LOAD,
    RETURN,
    build_filter,
)
from cogitate.server.sandbox.syscalls import ALWAYS, AUDIT_ARCH, CONDITIONAL, EXECVE

HEADER = Path("/usr/include/x86_64-linux-gnu/asm/unistd_64.h")
FORK, THREAD, NEW_USER = 17, 0x3D0F00, 0x10000000
UNIX, STREAM, DATAGRAM, INTERNET, CLOEXEC = 1, 1, 2, 2, 0o2000000


def verdict(number: int, *arguments: int, arch: int = AUDIT_ARCH, may_exec: bool = False) -> int:
    """Interpret the filter, and return its verdict for a call."""
    padded = [*arguments, 0, 0, 0, 0, 0, 0][:6]
    data = struct.pack("=IIQ6Q", number, arch, 0, *padded)
    program = list(struct.iter_unpack("=HBBI", build_filter(may_exec=may_exec)))
    at = accumulator = 0
    while True:
        code, yes, no, operand = program[at]
        at += 1
        if code == RETURN:
            return int(operand)
        if code == LOAD:
            accumulator = struct.unpack_from("=I", data, operand)[0]
        elif code == AND:
            accumulator &= operand
        else:
            assert code == EQUAL
            at += yes if accumulator == operand else no


def number(name: str) -> int:
    return CONDITIONAL[name][0]


def test_listed_calls_are_allowed():
    assert [name for name, called in ALWAYS.items() if verdict(called) != ALLOW] == []


def test_all_other_calls_return_enosys():
    known = {*ALWAYS.values(), *(called for called, _ in CONDITIONAL.values())}
    for called in {*range(1024), 0x40000000, 0x40000000 | 39, 0xFFFFFFFF} - known:
        assert verdict(called) == ERRNO | ENOSYS, called


def test_other_architecture_kills_the_process():
    assert verdict(ALWAYS["read"], arch=0x40000003) == KILL_PROCESS


def test_execve_is_allowed_only_before_python_starts():
    assert verdict(EXECVE) == ERRNO | ENOSYS
    assert verdict(EXECVE, may_exec=True) == ALLOW


@pytest.mark.parametrize(
    ("name", "arguments", "allowed"),
    [
        ("clone", (THREAD,), True),
        ("clone", (FORK,), False),
        ("clone", (THREAD | NEW_USER,), False),
        ("clone", (NEW_USER | FORK,), False),
        ("socketpair", (UNIX, STREAM), True),
        ("socketpair", (UNIX, STREAM | CLOEXEC), True),
        ("socketpair", (UNIX, DATAGRAM), False),
        ("socketpair", (INTERNET, STREAM), False),
        ("prlimit64", (0, 7), True),
        ("prlimit64", (1, 7), False),
        ("ioctl", (0, 0x5401), True),
        ("ioctl", (0, 0x5451), True),
        ("ioctl", (0, 0x5412), False),
        ("prctl", (15,), True),
        ("prctl", (1,), False),
        ("prctl", (22,), False),
    ],
)
def test_conditional_calls_depend_on_their_arguments(name: str, arguments: tuple[int, ...], allowed: bool):
    assert verdict(number(name), *arguments) == (ALLOW if allowed else ERRNO | EPERM)


def test_call_numbers_equal_the_kernel_headers():
    if not HEADER.exists():
        pytest.skip("no kernel headers: apt-get install linux-libc-dev")
    kernel = {name: int(value) for name, value in re.findall(r"__NR_(\w+) (\d+)", HEADER.read_text())}
    ours = {**ALWAYS, **{name: called for name, (called, _) in CONDITIONAL.items()}, "execve": EXECVE}
    assert ours == {name: kernel[name] for name in ours}
