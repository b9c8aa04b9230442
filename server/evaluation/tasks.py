"""Loads a task by name: the rows of a file, a task of reasoning-gym, HumanEval, or generated sums."""

import importlib
import random
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from cogitate.server.evaluation.arms import BadSpec, parse_spec
from cogitate.server.evaluation.datasets import build_question, read_questions
from cogitate.server.evaluation.humaneval import HUMANEVAL, dataset_path
from cogitate.server.evaluation.question import BadTask, Question
from cogitate.strategies.verifiers.countdown import parse_game

GYM = "gym:"
SUMS = "sums"
SUM_RANGES = ((2, 9), (5, 30), (11, 79))
"""Ranges of a sum's two numbers: an easy, a medium and a hard sum take turns."""
DEFAULT_SIZE = 100
"""Questions of a generated task, where --limit is not given."""


def load_task(name: str, limit: int | None = None, *, seed: int = 0, code_exec: str = "off") -> list[Question]:
    """Loads the first `limit` questions of FILE.jsonl, gym:NAME, humaneval or sums.

    `seed`: of generated questions. `code_exec`: the sandbox, where answers are programs. Raises BadTask.
    """
    if name == SUMS:
        pairs = enumerate(_generate_sums(limit or DEFAULT_SIZE, seed))
        return [build_question(f"{SUMS}:{seed}:{at}", {"question": text, "answer": gold}) for at, (text, gold) in pairs]
    if name.startswith(GYM):
        return _load_gym(name.removeprefix(GYM), limit or DEFAULT_SIZE, seed)
    questions = read_questions(dataset_path() if name == HUMANEVAL else Path(name), limit, code_exec)
    if not questions:
        raise BadTask(f"{name} has no questions")
    return questions


def _generate_sums(size: int, seed: int) -> Iterator[tuple[str, str]]:
    """Generates questions with their answers, the same ones for the same seed.

    The task needs no file and no package, and the smallest models solve some of it.
    """
    rng = random.Random(seed)
    for at in range(size):
        a, b = (rng.randint(*SUM_RANGES[at % len(SUM_RANGES)]) for _ in range(2))
        yield f"What is {a} + {b}?", str(a + b)


def _load_gym(spec: str, size: int, seed: int) -> list[Question]:
    """Loads a task of reasoning-gym with its options. An answer is right where the task's own verifier scores it 1.

    Raises BadTask.
    """
    try:
        package = importlib.import_module("reasoning_gym")
    except ImportError:
        raise BadTask(f"{GYM}{spec} needs the package reasoning-gym: pip install reasoning-gym") from None
    try:
        dataset = package.create_dataset(**{**parse_spec(spec), "size": size, "seed": seed})
    except (ValueError, TypeError, AssertionError, BadSpec) as error:
        raise BadTask(f"{GYM}{spec}: {error}") from None
    return [build_gym_question(f"{GYM}{spec}:{seed}:{at}", dataset, dataset[at]) for at in range(size)]


def build_gym_question(name: str, dataset: Any, entry: Mapping[str, Any]) -> Question:  # noqa: ANN401 an optional package
    """Builds a question that the data set's verifier grades.

    Countdown is graded by our own verifier, with the same verdicts: the package's evaluates the answer as Python.
    """
    text, score = str(entry["question"]), dataset.score_answer
    game = parse_game(text)

    def grade(answer: str | None) -> bool:
        if answer is None:
            return False
        try:
            return game.is_solution(answer) if game else bool(score(answer=answer, entry=entry) >= 1)
        except Exception:  # noqa: BLE001 some of the package's verifiers raise at answers that they cannot parse
            return False

    return Question(name, text, str(entry["answer"]), grade, entry)
