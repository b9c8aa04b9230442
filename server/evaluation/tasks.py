"""What is asked: rows of a file, any task of reasoning-gym by its name, HumanEval, or sums."""

import importlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cogitate.server.evaluation.datasets import question, rows
from cogitate.server.evaluation.humaneval import HUMANEVAL, packaged
from cogitate.server.evaluation.question import BadTask, Question
from cogitate.server.evaluation.spelling import Misspelled, spelled
from cogitate.server.evaluation.sums import SUMS, sums
from cogitate.strategies.verifiers.countdown import game_of

GYM = "gym:"
MADE = 100
"""Questions of a task that can make any number of them, where nobody says how many."""


def load(name: str, limit: int | None = None, *, seed: int = 0, code_exec: str = "off") -> list[Question]:
    """The first `limit` questions of FILE.jsonl, of gym:NAME, of humaneval or of sums. Raises BadTask.

    `code_exec`: what holds programs, where the answers are programs.
    """
    if name == SUMS:
        made = enumerate(sums(limit or MADE, seed))
        return [question(f"{SUMS}:{seed}:{at}", {"question": text, "answer": gold}) for at, (text, gold) in made]
    if name.startswith(GYM):
        return gym(name.removeprefix(GYM), limit or MADE, seed)
    questions = rows(packaged() if name == HUMANEVAL else Path(name), limit, code_exec)
    if not questions:
        raise BadTask(f"{name} has no questions")
    return questions


def gym(written: str, size: int, seed: int) -> list[Question]:
    """A task of reasoning-gym, with the options of its own, graded by its own verifier: right is what scores 1."""
    try:
        package = importlib.import_module("reasoning_gym")
    except ImportError:
        raise BadTask(f"{GYM}{written} needs the package reasoning-gym: pip install 'cogitate[eval]'") from None
    try:
        dataset = package.create_dataset(**{**spelled(written), "size": size, "seed": seed})
    except (ValueError, TypeError, AssertionError, Misspelled) as error:
        raise BadTask(f"{GYM}{written}: {error}") from None
    return [gym_question(f"{GYM}{written}:{seed}:{at}", dataset, dataset[at]) for at in range(size)]


def gym_question(name: str, dataset: Any, entry: Mapping[str, Any]) -> Question:  # noqa: ANN401 an optional package
    """Countdown is graded by our own verifier, to the same verdicts: the package's evaluates an answer as Python."""
    text, score = str(entry["question"]), dataset.score_answer
    game = game_of(text)

    def grade(answer: str | None) -> bool:
        if answer is None:
            return False
        try:
            return game.solved(answer) if game else bool(score(answer=answer, entry=entry) >= 1)
        except Exception:  # noqa: BLE001 some of the package's verifiers raise at answers that they cannot read
            return False

    return Question(name, text, str(entry["answer"]), grade, entry)
