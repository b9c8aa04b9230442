"""Reads questions from JSON Lines files: GSM8K, MATH, multiple choice and HumanEval."""

import gzip
import json
import zlib
from collections.abc import Mapping
from pathlib import Path
from string import ascii_uppercase
from typing import Any

from cogitate.server.evaluation.humaneval import ProgramTester, build_program_question, is_humaneval_row
from cogitate.server.evaluation.multiple_choice import choice_grade, parse_choices
from cogitate.server.evaluation.question import BadTask, Question
from cogitate.server.evaluation.reference import NoReference, equality_grade, final_answer, first_value

TEXT_FIELDS = ("question", "problem", "prompt")
ANSWER_FIELDS = ("answer", "solution")


def read_questions(path: Path, limit: int | None, code_exec: str) -> list[Question]:
    """Read the first `limit` rows of a file, which may be gzipped.

    Each row is GSM8K's (`question`, `answer` that ends in `#### N`), MATH's (`problem`, `solution`), multiple choice
    (`choices`) or HumanEval's (`prompt`, `entry_point`, `test`). `code_exec`: the sandbox for HumanEval's programs.
    Raises BadTask.
    """
    rows = [_parse_row(line, path, number) for number, line in enumerate(_read_lines(path)[:limit], 1)]
    tester = ProgramTester(code_exec) if any(map(is_humaneval_row, rows)) else None
    return [_to_question(row, path, number, tester) for number, row in enumerate(rows, 1)]


def build_question(name: str, row: Mapping[str, Any]) -> Question:
    """Build a question that has a text as its answer. Raises NoReference."""
    text = str(first_value(row, TEXT_FIELDS))
    if row.get("choices"):
        texts, gold = parse_choices(row)
        listing = "\n".join(f"({letter}) {choice}" for letter, choice in zip(ascii_uppercase, texts, strict=False))
        return Question(name, f"{text}\n{listing}", gold, choice_grade(gold, texts), row, choice=True)
    gold = final_answer(str(first_value(row, ANSWER_FIELDS)))
    return Question(name, text, gold, equality_grade(gold, text), row)


def _read_lines(path: Path) -> list[str]:
    """Return the lines that are not blank. Raises BadTask."""
    try:
        content = path.read_bytes()
        text = (gzip.decompress(content) if path.suffix == ".gz" else content).decode("utf-8-sig")
    except OSError as error:
        raise BadTask(f"cannot read {path}: {error.strerror or error}") from None
    except (UnicodeDecodeError, EOFError, zlib.error) as error:
        raise BadTask(f"{path} is not a text file: {error}") from None
    return [line for line in text.split("\n") if line.strip()]


def _parse_row(line: str, path: Path, number: int) -> Mapping[str, Any]:
    """Parse one row; integers keep all their digits. Raises BadTask."""
    try:
        row = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise BadTask(f"{path}, row {number}: not valid JSON ({error})") from None
    if not isinstance(row, dict):
        raise BadTask(f"{path}, row {number}: not a JSON object")
    return row


def _to_question(row: Mapping[str, Any], path: Path, number: int, tester: ProgramTester | None) -> Question:
    """Raises BadTask."""
    try:
        if tester and is_humaneval_row(row):
            return build_program_question(row, tester)
        return build_question(f"{path.stem}:{number - 1}", row)
    except NoReference as error:
        raise BadTask(f"{path}, row {number}: {error}") from None
    except (KeyError, TypeError, ValueError) as error:
        raise BadTask(f"{path}, row {number}: no question with an answer ({error!r})") from None
