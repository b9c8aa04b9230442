"""The candidate's process: it holds the functions that a model wrote, and calls them as the judge asks.

It receives arguments and nothing else. Whatever its program does to this code, only the bytes of an answer leave it.
"""

import builtins
import json
import sys
import types
from typing import Any

from cogitate.server.sandbox.guest.frames import receive, send, take_pipes
from cogitate.server.sandbox.guest.values import encode, untag


def main(job: "dict[str, str]") -> None:
    """Defines the candidate's functions, and answers calls until stdin is closed."""
    calls, answers = take_pipes()
    module = sys.modules["candidate"] = types.ModuleType("candidate")
    exec(compile(job["source"], "<candidate>", "exec"), module.__dict__)
    while True:
        message = receive(calls)
        if message is None:
            return
        call = json.loads(message)
        send(answers, call["nonce"].encode() + _answer(module, call))


def _answer(module: types.ModuleType, call: "dict[str, Any]") -> bytes:
    """Returns `=` and the value, `!` and the name of the built-in exception that was raised, or `?` for neither."""
    arguments, keywords = untag(call["arguments"], finite=False), untag(call["named"], finite=False)
    try:
        function = module.__dict__[call["name"]]
    except KeyError:
        return b"?"
    try:
        value = function(*arguments, **keywords)
    except BaseException as error:  # noqa: BLE001 the judge decides what the program's exception means
        names = (kind.__name__ for kind in type(error).__mro__ if kind.__module__ == builtins.__name__)
        return b"!" + next(names, "").encode()
    try:
        return b"=" + encode(value)
    except BaseException:  # noqa: BLE001 a value of the program's may raise anything while it is encoded
        return b"?"
