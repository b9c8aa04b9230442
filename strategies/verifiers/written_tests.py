"""Reads the tests that a model wrote: one `assert` each. Nothing of the text is run or compiled here."""

import builtins
import keyword
import re
from collections import Counter
from collections.abc import Iterable, Sequence

from cogitate.strategies.core.quoting import strip_thinking

MAX_TESTS_PER_REPLY = 5
"""The paper's limit; the first ones are taken."""
MAX_TEST_CHARACTERS = 1_000
MAX_REPLY_CHARACTERS = 20_000
_ASSERT = re.compile(r"^[ \t>]*(?:\.\.\. )?(?=assert\b)", re.MULTILINE)
_DEFINED = re.compile(r"^(?:async[ ]+)?def[ ]+([A-Za-z_]\w*)[ ]*\(", re.MULTILINE)
_CALLED = re.compile(r"(?<![.\w])([A-Za-z_]\w*)\s*\(")
_TOKEN = re.compile(
    r"#[^\n]*|(?P<text>[rbfuRBFU]{0,2}(?:\"(?:\\.|[^\"\\\n])*\"|'(?:\\.|[^'\\\n])*'))|(?P<open>[(\[{])|(?P<close>[)\]}])"
    r"|(?P<end>\n)|(?P<other>[^#()\[\]{}\n'\"rbfuRBFU]+|.)"
)
_CLOSES = {")": "(", "]": "[", "}": "{"}


def parse_tests(reply: str) -> list[str]:
    """Return the `assert` statements of a reply, the first MAX_TESTS_PER_REPLY; unfinished ones are left out."""
    text = strip_thinking(reply).replace("\r\n", "\n")[:MAX_REPLY_CHARACTERS]
    tests = (_read_statement(text, match.end()) for match in _ASSERT.finditer(text))
    return [test for test in tests if test][:MAX_TESTS_PER_REPLY]


def find_functions(sources: Iterable[str]) -> frozenset[str]:
    """Return the names of the functions that at least half of the programs define."""
    defined = [set(_DEFINED.findall(source)) for source in sources]
    counts = Counter(name for names in defined for name in names)
    return frozenset(name for name, count in counts.items() if 2 * count >= len(defined))


def select_tests(tests: Sequence[str], functions: frozenset[str]) -> list[str]:
    """Return the tests that call these functions and no other but Python's own.

    A call that no program can answer would fail all tests after it.
    """
    calls = [{name for name in _CALLED.findall(test) if not _is_python_name(name)} for test in tests]
    return [test for test, names in zip(tests, calls, strict=True) if names and names <= functions]


def _is_python_name(name: str) -> bool:
    return hasattr(builtins, name) or keyword.iskeyword(name)


def _read_statement(text: str, start: int) -> str | None:
    """Return the statement from `start` to the end of the line where its brackets are closed; None where they are not.

    Comments are left out.
    """
    opened, parts = list[str](), list[str]()
    for token in _TOKEN.finditer(text, start, start + MAX_TEST_CHARACTERS):
        if token["open"]:
            opened.append(token[0])
        elif token["close"] and (not opened or opened.pop() != _CLOSES[token[0]]):
            return None
        if token["end"] and not opened and not "".join(parts).endswith("\\"):
            return "".join(parts).strip()
        if not token[0].startswith("#"):
            parts.append(token[0])
    return None if opened or start + MAX_TEST_CHARACTERS < len(text) else "".join(parts).strip()
