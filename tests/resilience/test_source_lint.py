"""T29: nothing in the tree turns bytes into code, and nothing that keeps somebody out is an assert."""

import ast
from pathlib import Path

from tests.resilience.server_process import Server

ROOT = Path(__file__).parents[2]
TREES = ("server", "strategies")
INSIDE = ROOT / "server/sandbox/guest"
WRITERS = {("server/sandbox/process.py", "marshal")}
"""Only write, for the sandboxed child to read: seen by test_the_sandbox_reads_no_marshalled_bytes."""
MODULES = frozenset({"pickle", "cloudpickle", "dill", "marshal", "shelve", "joblib"})
CALLS = frozenset(
    {"eval", "exec", "__import__", "yaml.load", "yaml.unsafe_load", "torch.load", "os.system", "os.popen"}
)
FLAGS = frozenset({"shell", "allow_pickle", "trust_remote_code"})
GUARDS = (
    "auth/key_limits.py",
    "auth/keys.py",
    "auth/rate_limit.py",
    "http/authentication.py",
    "http/protocol.py",
    "http/trusted_host.py",
    "planning/compatibility.py",
)
"""Modules of the server that reject requests. `python -O` removes assertions."""


def found(source: str) -> list[str]:
    """What must not be there."""
    wrong = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            wrong += [alias.name for alias in node.names if alias.name.split(".")[0] in MODULES]
        elif isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] in MODULES:
            wrong.append(str(node.module))
        elif isinstance(node, ast.Call):
            wrong += [name for name in (ast.unparse(node.func),) if name in CALLS]
            wrong += [
                f"{word.arg}=True"
                for word in node.keywords
                if word.arg in FLAGS and not (isinstance(word.value, ast.Constant) and not word.value.value)
            ]
    return wrong


def test_t29_nothing_turns_bytes_into_code(bar):
    files = [path for tree in TREES for path in (ROOT / tree).rglob("*.py") if INSIDE not in path.parents]
    wrong = [
        f"{path.relative_to(ROOT)}: {name}"
        for path in files
        for name in found(path.read_text())
        if (str(path.relative_to(ROOT)), name) not in WRITERS
    ]
    bar("T29", f"pickle, eval, shell and the like in {len(files)} files", f"{wrong or 0}", "0", not wrong)


def test_the_sandbox_reads_no_marshalled_bytes():
    for path, module in WRITERS:
        source = (ROOT / path).read_text()
        assert f"{module}.load" not in source and f"{module}.dumps" in source


def test_the_lint_sees_what_it_looks_for():
    bad = ["import pickle", "from dill import loads", "eval('1')", "yaml.load(x)", "run(x, shell=True)", "exec(x)"]
    assert all(found(line) for line in bad)
    assert not found("run(x, shell=False)\nre.compile('a')\nmodel.eval()")


def test_t29_no_guard_is_an_assert(bar):
    guards = [ROOT / "server" / name for name in GUARDS]
    kept = [
        path.name for path in guards if any(isinstance(x, ast.Assert) for x in ast.walk(ast.parse(path.read_text())))
    ]
    bar("T29", f"asserts in the {len(GUARDS)} files that keep somebody out", f"{kept or 0}", "0", not kept)


def test_t29_a_server_without_asserts_answers_and_refuses(bar):
    with Server(python=("-O",)) as server:
        vote = server.ask(strategy={"name": "self_consistency", "n": 4})
        figures = [
            vote.status_code,
            server.ask(messages="x" * 9).status_code,
            server.ask(n=10**9).status_code,
            server.ask(strategy={"name": "nothing"}).status_code,
            server.ask(headers={"Host": "evil:80"}).status_code,
        ]
        server.healthy()
    assert vote.json()["cogitate"]["answer"] == "42"
    bar(
        "T29",
        "under python -O: a vote, then four refusals",
        f"{figures}",
        "200, then 4xx",
        figures[0] == 200 and all(400 <= x < 500 for x in figures[1:]),
    )
