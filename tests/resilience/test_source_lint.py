"""The source neither executes data as code nor relies on asserts for access control."""

import ast

import pytest

from tests.resilience.ruff_check import ROOT, TREES, check_source, check_text, count_source_files
from tests.resilience.server_process import Server

pytestmark = pytest.mark.fault("T29")

UNSAFE_ARGUMENTS = frozenset({"allow_pickle", "trust_remote_code"})
"""Keyword arguments that make a library execute what it loads."""
ACCESS_CONTROL = ("server/auth", "server/http", "server/planning", "server/protocol")
UNSAFE = [
    "import pickle",
    "from dill import loads",
    "import shelve",
    "import joblib",
    "import marshal",
    "import yaml\nyaml.load(x)",
    "import torch\ntorch.load(x)",
    "import os\nos.system(x)",
    "import os\nos.popen(x)",
    "import subprocess\nsubprocess.run(x, shell=True)",
    "eval(x)",
    "exec(x)",
]
SAFE = ["import subprocess\nsubprocess.run(['ls'], shell=False)", "import re\nre.compile('a')", "model.eval()"]


def find_unsafe_calls(source: str) -> list[str]:
    """Return the calls that ruff has no rule for: `__import__`, and unsafe arguments that are not literally false."""
    calls = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Call)]
    return [
        ast.unparse(call)
        for call in calls
        if ast.unparse(call.func) == "__import__"
        or any(
            word.arg in UNSAFE_ARGUMENTS and not (isinstance(word.value, ast.Constant) and not word.value.value)
            for word in call.keywords
        )
    ]


def test_source_does_not_execute_data(bar):
    count = count_source_files()
    wrong = [str(violation) for violation in check_source("S", "TID251")]
    files = [path for tree in TREES for path in (ROOT / tree).rglob("*.py")]
    assert files
    wrong += [f"{path.relative_to(ROOT)}: {call}" for path in files for call in find_unsafe_calls(path.read_text())]
    bar(f"pickle, eval, shell and the like in {count} files", f"{wrong or 0}", "0", not wrong)


@pytest.mark.parametrize("text", UNSAFE)
def test_ruff_rejects_code_that_executes_data(text):
    assert check_text(text + "\n", "server/new_module.py", "S", "TID251")


@pytest.mark.parametrize("text", SAFE)
def test_ruff_accepts_safe_code(text):
    assert not check_text(text + "\n", "server/new_module.py", "S602", "S307", "TID251")


def test_unsafe_calls_without_a_ruff_rule_are_found():
    assert find_unsafe_calls("load(x, trust_remote_code=True)") and find_unsafe_calls("load(x, allow_pickle=y)")
    assert find_unsafe_calls("__import__(x)")
    assert not find_unsafe_calls("load(x, trust_remote_code=False)")


def test_access_control_contains_no_assert(bar):
    files = [path for folder in ACCESS_CONTROL for path in (ROOT / folder).glob("*.py")]
    assert len(files) > len(ACCESS_CONTROL)
    for folder in ACCESS_CONTROL:
        assert check_text("assert key\n", f"{folder}/new_module.py", "S101"), folder
    wrong = [str(violation) for violation in check_source("S101")]
    bar(f"asserts in the {len(files)} files that keep somebody out", f"{wrong or 0}", "0", not wrong)


def test_server_without_asserts_answers_and_rejects(bar):
    with Server(python=("-O",)) as server:
        vote = server.ask(strategy={"name": "self_consistency", "n": 4})
        figures = [
            vote.status_code,
            server.ask(messages="x" * 9).status_code,
            server.ask(n=10**9).status_code,
            server.ask(strategy={"name": "nothing"}).status_code,
            server.ask(headers={"Host": "evil:80"}).status_code,
        ]
        server.assert_healthy()
    assert vote.json()["cogitate"]["answer"] == "42"
    met = figures[0] == 200 and all(400 <= status < 500 for status in figures[1:])
    bar("under python -O: a vote, then four refusals", f"{figures}", "200, then 4xx", met)
