"""Loads a task by name: the rows of a file, a task of reasoning-gym, HumanEval, or generated sums."""

import random
from collections.abc import Iterator
from pathlib import Path

from cogitate.server.evaluation.datasets import build_question, read_questions
from cogitate.server.evaluation.gym import GYM, load_gym
from cogitate.server.evaluation.humaneval import HUMANEVAL, dataset_path
from cogitate.server.evaluation.question import BadTask, Question

SUMS = "sums"
SUM_RANGES = ((2, 9), (5, 30), (11, 79))
"""Ranges of a sum's two numbers: an easy, a medium and a hard sum take turns."""
DEFAULT_SIZE = 100
"""Questions of a generated task, where --limit is not given."""


def load_task(name: str, limit: int | None = None, *, seed: int = 0, code_exec: str = "off") -> list[Question]:
    """Load the first `limit` questions of FILE.jsonl, gym:NAME, humaneval or sums.

    `seed`: of generated questions. `code_exec`: the sandbox, where answers are programs. Raises BadTask.
    """
    if name == SUMS:
        pairs = enumerate(_generate_sums(limit or DEFAULT_SIZE, seed))
        return [build_question(f"{SUMS}:{seed}:{at}", {"question": text, "answer": gold}) for at, (text, gold) in pairs]
    if name.startswith(GYM):
        return load_gym(name.removeprefix(GYM), limit or DEFAULT_SIZE, seed)
    questions = read_questions(dataset_path() if name == HUMANEVAL else Path(name), limit, code_exec)
    if not questions:
        raise BadTask(f"{name} has no questions")
    return questions


def _generate_sums(size: int, seed: int) -> Iterator[tuple[str, str]]:
    """Generate questions with their answers, the same ones for the same seed.

    The task needs no file and no package, and the smallest models solve some of it.
    """
    rng = random.Random(seed)
    for at in range(size):
        a, b = (rng.randint(*SUM_RANGES[at % len(SUM_RANGES)]) for _ in range(2))
        yield f"What is {a} + {b}?", str(a + b)
