"""Escape attempts by name. Each is a program that calls `escaped()` when it has reached something outside.

`TARGETS` is a dictionary of what lies outside; `libc` is for raw system calls. The output of a program is also searched
for the canary. Those marked `tame` may run without a sandbox too, where they must succeed.
"""

from dataclasses import dataclass

PRELUDE = """
import ctypes, os, socket, struct, sys, time, signal, threading
libc = ctypes.CDLL(None, use_errno=True)

def escaped(*what):
    print("ESCAPED", *what, flush=True)

def call(number, *arguments):
    ctypes.set_errno(0)
    return libc.syscall(number, *arguments)

def there(number, *arguments):
    '''Whether the system call does anything but return ENOSYS or EPERM.'''
    return call(number, *arguments) >= 0 or ctypes.get_errno() not in (1, 38)
"""


@dataclass(frozen=True, slots=True)
class Payload:
    name: str
    source: str
    tame: bool = False

    def program(self, targets: object) -> str:
        return f"TARGETS = {targets!r}\n{PRELUDE}\n{self.source}"


def tame(**sources: str) -> list[Payload]:
    return [Payload(name, source, tame=True) for name, source in sources.items()]


def wild(**sources: str) -> list[Payload]:
    return [Payload(name, source) for name, source in sources.items()]
