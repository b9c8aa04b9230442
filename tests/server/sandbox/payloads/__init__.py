"""Attempts to get out, by name. Each is a program that calls `escaped()` when it has got what it must not have.

`BAIT` is a dictionary of what lies outside; `libc` is there for system calls. Whatever a program prints is searched for
the canary as well. Those marked `tame` may be run without a sandbox too, where they must succeed.
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
    '''A system call that does more than say no such call, or not you.'''
    return call(number, *arguments) >= 0 or ctypes.get_errno() not in (1, 38)
"""


@dataclass(frozen=True, slots=True)
class Payload:
    name: str
    source: str
    tame: bool = False

    def program(self, bait: object) -> str:
        return f"BAIT = {bait!r}\n{PRELUDE}\n{self.source}"


def tame(**sources: str) -> list[Payload]:
    return [Payload(name, source, tame=True) for name, source in sources.items()]


def wild(**sources: str) -> list[Payload]:
    return [Payload(name, source) for name, source in sources.items()]
