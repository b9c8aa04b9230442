"""Builds the seccomp filter: a BPF program that allows the calls of syscalls.py; all others return ENOSYS.

It is assembled here rather than with `pyseccomp`, which needs the C library libseccomp, and that is not installed in
default containers. The filter is needed as bytes: for bwrap's --seccomp, and for guest/landlock.py, which has only the
standard library.
"""

import struct
from collections.abc import Iterator

from cogitate.server.sandbox.syscalls import ALWAYS, AUDIT_ARCH, CONDITIONAL, EXECVE, Condition

LOAD, AND, EQUAL, RETURN = 0x20, 0x54, 0x15, 0x06
ALLOW, ERRNO, KILL_PROCESS = 0x7FFF0000, 0x00050000, 0x80000000
EPERM, ENOSYS = 1, 38
NUMBER, ARCH, ARGUMENTS = 0, 4, 16
"""Offsets in the kernel's struct seccomp_data."""

Instruction = tuple[int, int, int, int]
"""Code, jump if true, jump if false, operand."""


def build_filter(*, may_exec: bool) -> bytes:
    """Return the kernel's sock_filter array. `may_exec`: for a filter that is installed before Python is started."""
    return b"".join(struct.pack("=HBBI", *instruction) for instruction in _program(may_exec))


def _program(may_exec: bool) -> Iterator[Instruction]:
    yield LOAD, 0, 0, ARCH
    yield EQUAL, 1, 0, AUDIT_ARCH
    yield RETURN, 0, 0, KILL_PROCESS
    yield LOAD, 0, 0, NUMBER
    for number in (*ALWAYS.values(), *((EXECVE,) if may_exec else ())):
        yield EQUAL, 0, 1, number
        yield RETURN, 0, 0, ALLOW
    for number, conditions in CONDITIONAL.values():
        body = [instruction for condition in conditions for instruction in _refuse_unless(condition)]
        yield EQUAL, 0, len(body) + 1, number
        yield from body
        yield RETURN, 0, 0, ALLOW
    yield RETURN, 0, 0, ERRNO | ENOSYS


def _refuse_unless(condition: Condition) -> Iterator[Instruction]:
    """Continue where the condition holds; otherwise the call returns EPERM."""
    argument, mask, values = condition
    yield LOAD, 0, 0, ARGUMENTS + 8 * argument
    yield AND, 0, 0, mask
    for jump, value in zip(range(len(values), 0, -1), values, strict=True):
        yield EQUAL, jump, 0, value
    yield RETURN, 0, 0, ERRNO | EPERM
