"""The candidate's process: it holds the functions that a model wrote, and calls them as the judge asks.

It receives arguments and nothing else. Whatever its program does to this code, only the bytes of an answer leave it.
"""

import builtins
import json
import signal
import sys
import types
from typing import Any

from cogitate.server.sandbox.guest.frames import receive, send, take_pipes
from cogitate.server.sandbox.guest.values import encode, untag


class CallTimeout(BaseException):
    """A call took too long. Not an Exception, so that a program that catches errors does not catch it."""


def main(job: "dict[str, Any]") -> None:
    """Defines the candidate's functions, and answers calls until stdin is closed, each for at most `call_seconds`."""
    if job["call_seconds"] is not None:
        signal.signal(signal.SIGALRM, _end_call)
    calls, answers = take_pipes()
    module = sys.modules["candidate"] = types.ModuleType("candidate")
    exec(compile(job["source"], "<candidate>", "exec"), module.__dict__)
    while True:
        message = receive(calls)
        if message is None:
            return
        call = json.loads(message)
        send(answers, call["nonce"].encode() + _answer(module, call, job["call_seconds"] or 0.0))


def _end_call(number: int, frame: object) -> None:
    raise CallTimeout


def _answer(module: types.ModuleType, call: "dict[str, Any]", seconds: float) -> bytes:
    """Return `=` and the value, `!` and the name of the built-in exception that was raised, or `?` for neither."""
    arguments, keywords = untag(call["arguments"], finite=False), untag(call["named"], finite=False)
    try:
        function = module.__dict__[call["name"]]
    except KeyError:
        return b"?"
    try:
        signal.setitimer(signal.ITIMER_REAL, seconds)  # 0 sets none
        try:
            value = function(*arguments, **keywords)
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
    except CallTimeout:
        return b"!TimeoutError"
    except BaseException as error:  # noqa: BLE001 the judge decides what the program's exception means
        names = (kind.__name__ for kind in type(error).__mro__ if kind.__module__ == builtins.__name__)
        return b"!" + next(names, "").encode()
    try:
        return b"=" + encode(value)
    except BaseException:  # noqa: BLE001 a value of the program's may raise anything while it is encoded
        return b"?"
