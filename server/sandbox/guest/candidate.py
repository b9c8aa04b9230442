"""The candidate's process: it holds the functions that a model wrote and calls them when it is told to.

It learns arguments and nothing else. Whatever its program does to this code, all that leaves is an answer's bytes.
"""

import builtins
import json
import sys
import types
from typing import Any

from cogitate.server.sandbox.guest.frames import receive, send, take_over
from cogitate.server.sandbox.guest.values import plain, written


def main(job: "dict[str, str]") -> None:
    calls, answers = take_over()
    module = sys.modules["candidate"] = types.ModuleType("candidate")
    exec(compile(job["source"], "<candidate>", "exec"), module.__dict__)
    while True:
        asked = receive(calls)
        if asked is None:
            return
        call = json.loads(asked)
        send(answers, call["nonce"].encode() + _answer(module, call))


def _answer(module: types.ModuleType, call: "dict[str, Any]") -> bytes:
    """`=` and the value, `!` and the name of the built-in exception that was raised, or `?` for neither."""
    arguments, named = plain(call["arguments"], finite=False), plain(call["named"], finite=False)
    try:
        asked = module.__dict__[call["name"]]
    except KeyError:
        return b"?"
    try:
        value = asked(*arguments, **named)
    except BaseException as error:  # noqa: BLE001 it is the program's, and the judge's to weigh
        known = (kind.__name__ for kind in type(error).__mro__ if kind.__module__ == builtins.__name__)
        return b"!" + next(known, "").encode()
    try:
        return b"=" + written(value)
    except BaseException:  # noqa: BLE001 a value that cannot cross may raise anything on its way
        return b"?"
