"""The judge's process: it runs the tests, and calls the candidate's functions in a process that it cannot see.

A test passes when it ends without an exception, at least one of its calls was answered, and none was answered
unclearly: not at all, without the call's nonce, or with anything but a plain finite value or an ordinary exception.
"""

import builtins
import json
import os

from cogitate.server.sandbox.guest.frames import receive, send, take_over
from cogitate.server.sandbox.guest.values import Malformed, Value, plain, read, written


class Unclear(BaseException):
    """No answer to rely on. Not an Exception: a test that expects an error does not take this for it."""


class Candidate:
    """The other side. `clear` turns False for good with the first answer that cannot be relied on."""

    def __init__(self, answers: int, calls: int) -> None:
        self._answers, self._calls = answers, calls
        self.clear = True
        self.answered = 0

    def call(self, name: str, arguments: Value, named: Value) -> Value:
        if not self.clear:
            raise Unclear
        nonce = os.urandom(16).hex()
        # Written twice over: as values, and as the JSON of the call.
        body = {"arguments": read(written(arguments)), "named": read(written(named))}
        send(self._calls, b"C" + json.dumps({"nonce": nonce, "name": name, **body}).encode())
        try:
            outcome = self._outcome(receive(self._answers) or b"", nonce.encode())
        except Malformed as unclear:
            self.clear = False
            raise Unclear from unclear
        self.answered += 1
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    def _outcome(self, answer: bytes, nonce: bytes) -> Value:
        if not answer.startswith(nonce):
            raise Malformed("an answer to no question")
        mark, content = answer[len(nonce) : len(nonce) + 1], answer[len(nonce) + 1 :]
        if mark == b"=":
            return plain(read(content), finite=True)
        kind = getattr(builtins, content.decode("ascii", "replace"), None) if mark == b"!" else None
        if isinstance(kind, type) and issubclass(kind, Exception):
            return _raised(kind)
        raise Malformed("neither a value nor an ordinary exception")


def _raised(kind: "type[Exception]") -> Exception:
    try:
        return kind("raised by the candidate")
    except TypeError as odd:  # UnicodeDecodeError and its like want more
        raise Malformed("an exception that cannot be made again") from odd


class Names(dict):  # type: ignore[type-arg]
    """A test's names: what it does not define and Python does not know is a function of the candidate's."""

    def __init__(self, candidate: Candidate) -> None:
        super().__init__(__name__="tests")
        self._candidate = candidate

    def __missing__(self, name: str) -> Value:
        if name.startswith("__") or name in builtins.__dict__:
            raise KeyError(name)
        return lambda *arguments, **named: self._candidate.call(name, arguments, named)


def main(job: "dict[str, list[str]]") -> None:
    answers, calls = take_over()
    candidate = Candidate(answers, calls)
    for number, test in enumerate(job["tests"]):
        passed = _passes(test, candidate)
        send(calls, b"V" + json.dumps({"test": number, "passed": passed}).encode())


def _passes(test: str, candidate: Candidate) -> bool:
    before = candidate.answered
    try:
        exec(compile(test, "<test>", "exec"), Names(candidate))
    except BaseException:  # noqa: BLE001 a test fails by any exception
        return False
    return candidate.clear and candidate.answered > before
