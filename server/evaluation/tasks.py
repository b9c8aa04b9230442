"""What is asked, and what counts as right: rows of a file, any task of reasoning-gym by its name, or sums."""

import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson

from server.evaluation.grading import Grade, agrees, final
from server.evaluation.sums import SUMS, sums
from strategies.answers import Answer

GYM = "gym:"
TEXTS = ("question", "problem", "prompt")
MADE = 100
"""Questions of a task that can make any number of them, where nobody says how many."""
LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"


class BadTask(Exception):
    """Why there is no such task, in one line."""


@dataclass(frozen=True, slots=True)
class Question:
    """One item. `grade` says whether an answer, or the whole text where the answer could not be read, is right."""

    id: str
    text: str
    gold: str
    grade: Grade = field(repr=False, compare=False)
    entry: Mapping[str, Any] = field(default_factory=dict, repr=False, compare=False)
    """The row as it came."""

    def right(self, answer: Answer | None) -> bool:
        """Whether it is, as it was written or in its canonical form."""
        return self.grade(answer.raw) or self.grade(answer.key) if answer else self.grade(None)


def load(name: str, limit: int | None = None, *, seed: int = 0) -> list[Question]:
    """The first `limit` questions of FILE.jsonl, of gym:NAME or of sums. Raises BadTask."""
    if name == SUMS:
        made = enumerate(sums(limit or MADE, seed))
        return [question(f"{SUMS}:{seed}:{at}", {"question": text, "answer": gold}) for at, (text, gold) in made]
    questions = gym(name.removeprefix(GYM), limit or MADE, seed) if name.startswith(GYM) else rows(Path(name), limit)
    if not questions:
        raise BadTask(f"{name} has no questions")
    return questions


def rows(path: Path, limit: int | None) -> list[Question]:
    """GSM8K (`question`, `answer` ending in `#### N`), MATH (`problem`, `solution`), multiple choice (`choices`)."""
    try:
        lines = [line for line in path.read_bytes().splitlines() if line.strip()]
        return [question(f"{path.stem}:{at}", orjson.loads(line)) for at, line in enumerate(lines[:limit])]
    except OSError as error:
        raise BadTask(f"cannot read {path}: {error.strerror}") from None
    except (orjson.JSONDecodeError, KeyError, TypeError, IndexError) as error:
        raise BadTask(f"{path}: a row is not JSON with a question and an answer ({error!r})") from None


def question(name: str, row: Mapping[str, Any]) -> Question:
    text = str(next((row[key] for key in TEXTS if key in row), None) or row["question"])
    if choices := row.get("choices"):
        offered = "\n".join(f"({letter}) {choice}" for letter, choice in zip(LETTERS, choices, strict=False))
        answer = row["answer"]
        gold = LETTERS[answer] if isinstance(answer, int) else str(answer)
        return Question(name, f"{text}\n{offered}", gold, agrees(gold), row)
    gold = final(str(row["answer"] if "answer" in row else row["solution"]))
    return Question(name, text, gold, agrees(gold), row)


def gym(name: str, size: int, seed: int) -> list[Question]:
    """A task of reasoning-gym, graded by its own verifier: right is what scores 1."""
    try:
        package = importlib.import_module("reasoning_gym")
    except ImportError:
        raise BadTask(f"{GYM}{name} needs the package reasoning-gym: pip install 'cogitate[eval]'") from None
    try:
        dataset = package.create_dataset(name, size=size, seed=seed)
    except ValueError as error:
        raise BadTask(f"{GYM}{name}: {error}") from None
    return [gym_question(f"{GYM}{name}:{seed}:{at}", dataset, dataset[at]) for at in range(size)]


def gym_question(name: str, dataset: Any, entry: Mapping[str, Any]) -> Question:  # noqa: ANN401 an optional package
    score: Callable[..., float] = dataset.score_answer
    return Question(
        name,
        str(entry["question"]),
        str(entry["answer"]),
        lambda answer: answer is not None and score(answer=answer, entry=entry) >= 1,
        entry,
    )
