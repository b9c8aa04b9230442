"""The judge's process: it runs the tests, and calls the candidate's functions in another process.

A test passes when it ends without an exception, at least one of its calls was answered, and every answer was valid: it
has the call's nonce, and is a plain finite value or an ordinary exception.
"""

import builtins
import json
import os

from cogitate.server.sandbox.guest.frames import receive, send, take_pipes
from cogitate.server.sandbox.guest.values import Malformed, Value, decode, encode, untag


class InvalidAnswer(BaseException):
    """The candidate gave no valid answer. Not an Exception, so that a test that expects an error does not catch it."""


class CandidateProxy:
    """Calls functions of the candidate's process. The first invalid answer makes `valid` False for good."""

    def __init__(self, answers: int, calls: int) -> None:
        """`answers` and `calls`: pipes to read from and to write to."""
        self._answers, self._calls = answers, calls
        self.valid = True
        self.answers_received = 0

    def call(self, name: str, arguments: Value, keywords: Value) -> Value:
        """Call a function. Raises InvalidAnswer, and what the function raised."""
        if not self.valid:
            raise InvalidAnswer
        nonce = os.urandom(16).hex()
        # Encoded twice: the arguments as tagged values, and the call as JSON.
        body = {"arguments": decode(encode(arguments)), "named": decode(encode(keywords))}
        send(self._calls, b"C" + json.dumps({"nonce": nonce, "name": name, **body}).encode())
        try:
            outcome = self._parse(receive(self._answers) or b"", nonce.encode())
        except Malformed as error:
            self.valid = False
            raise InvalidAnswer from error
        self.answers_received += 1
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    def _parse(self, answer: bytes, nonce: bytes) -> Value:
        """Raises Malformed."""
        if not answer.startswith(nonce):
            raise Malformed("an answer without the call's nonce")
        mark, content = answer[len(nonce) : len(nonce) + 1], answer[len(nonce) + 1 :]
        if mark == b"=":
            return untag(decode(content), finite=True)
        kind = getattr(builtins, content.decode("ascii", "replace"), None) if mark == b"!" else None
        if isinstance(kind, type) and issubclass(kind, Exception):
            return _build_exception(kind)
        raise Malformed("neither a value nor an ordinary exception")


def _build_exception(kind: "type[Exception]") -> Exception:
    try:
        return kind("raised by the candidate")
    except TypeError as error:  # UnicodeDecodeError and some others need more arguments
        raise Malformed("an exception that cannot be built from a message") from error


class TestNamespace(dict):  # type: ignore[type-arg]
    """A test's global names: a name that neither the test nor Python defines is a function of the candidate."""

    def __init__(self, candidate: CandidateProxy) -> None:
        super().__init__(__name__="tests")
        self._candidate = candidate

    def __missing__(self, name: str) -> Value:
        if name.startswith("__") or name in builtins.__dict__:
            raise KeyError(name)
        return lambda *arguments, **keywords: self._candidate.call(name, arguments, keywords)


def main(job: "dict[str, list[str]]") -> None:
    """Run the tests in order, and send a verdict after each."""
    answers, calls = take_pipes()
    candidate = CandidateProxy(answers, calls)
    for number, test in enumerate(job["tests"]):
        passed = _passes(test, candidate)
        send(calls, b"V" + json.dumps({"test": number, "passed": passed}).encode())


def _passes(test: str, candidate: CandidateProxy) -> bool:
    before = candidate.answers_received
    try:
        exec(compile(test, "<test>", "exec"), TestNamespace(candidate))
    except BaseException:  # noqa: BLE001 any exception fails the test
        return False
    return candidate.valid and candidate.answers_received > before
