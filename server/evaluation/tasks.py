"""What is asked: rows of a file, any task of reasoning-gym by its name, HumanEval, or sums."""

import gzip
import importlib
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import orjson

from server.evaluation.grading import agrees, final
from server.evaluation.programs import HUMANEVAL, Sandbox, is_program, packaged, program
from server.evaluation.question import BadTask, Question
from server.evaluation.spelling import Misspelled, spelled
from server.evaluation.sums import SUMS, sums
from strategies.verifiers.countdown import game_of

GYM = "gym:"
TEXTS = ("question", "problem", "prompt")
MADE = 100
"""Questions of a task that can make any number of them, where nobody says how many."""
LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"


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


def rows(path: Path, limit: int | None, code_exec: str) -> list[Question]:
    """GSM8K (`question`, `answer` ending in `#### N`), MATH (`problem`, `solution`), multiple choice (`choices`),
    HumanEval (`prompt`, `entry_point`, `test`).
    """
    try:
        content = path.read_bytes()
        lines = (gzip.decompress(content) if path.suffix == ".gz" else content).splitlines()
        found = [orjson.loads(line) for line in [line for line in lines if line.strip()][:limit]]
        sandbox = Sandbox(code_exec) if any(map(is_program, found)) else None
        return [
            program(row, sandbox) if sandbox and is_program(row) else question(f"{path.stem}:{at}", row)
            for at, row in enumerate(found)
        ]
    except OSError as error:
        raise BadTask(f"cannot read {path}: {error.strerror or error}") from None
    except (orjson.JSONDecodeError, KeyError, TypeError, IndexError, EOFError, zlib.error) as error:
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
        return game.solved(answer) if game else bool(score(answer=answer, entry=entry) >= 1)

    return Question(name, text, str(entry["answer"]), grade, entry)
