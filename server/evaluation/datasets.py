"""Questions in a file of JSON lines: GSM8K's rows, MATH's, multiple choice, HumanEval's."""

import gzip
import json
import zlib
from collections.abc import Mapping
from pathlib import Path
from string import ascii_uppercase
from typing import Any

from cogitate.server.evaluation.humaneval import Sandbox, is_program, program
from cogitate.server.evaluation.multiple_choice import offered, picks
from cogitate.server.evaluation.question import BadTask, Question
from cogitate.server.evaluation.reference import NoReference, final, first
from cogitate.server.evaluation.scoring import agrees

TEXTS = ("question", "problem", "prompt")
ANSWERS = ("answer", "solution")


def rows(path: Path, limit: int | None, code_exec: str) -> list[Question]:
    """GSM8K (`question`, `answer` ending in `#### N`), MATH (`problem`, `solution`), multiple choice (`choices`),
    HumanEval (`prompt`, `entry_point`, `test`). Raises BadTask.
    """
    found = [parsed(line, path, number) for number, line in enumerate(lines(path)[:limit], 1)]
    sandbox = Sandbox(code_exec) if any(map(is_program, found)) else None
    return [read(row, path, number, sandbox) for number, row in enumerate(found, 1)]


def lines(path: Path) -> list[str]:
    """Those that are not blank. Raises BadTask."""
    try:
        content = path.read_bytes()
        text = (gzip.decompress(content) if path.suffix == ".gz" else content).decode("utf-8-sig")
    except OSError as error:
        raise BadTask(f"cannot read {path}: {error.strerror or error}") from None
    except (UnicodeDecodeError, EOFError, zlib.error) as error:
        raise BadTask(f"{path} holds no text: {error}") from None
    return [line for line in text.split("\n") if line.strip()]


def parsed(line: str, path: Path, number: int) -> Mapping[str, Any]:
    """Numbers as they are written, however long. Raises BadTask."""
    try:
        row = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise BadTask(f"{path}, row {number}: it is not JSON ({error})") from None
    if not isinstance(row, dict):
        raise BadTask(f"{path}, row {number}: it is no JSON object")
    return row


def read(row: Mapping[str, Any], path: Path, number: int, sandbox: Sandbox | None) -> Question:
    """Raises BadTask."""
    try:
        if sandbox and is_program(row):
            return program(row, sandbox)
        return question(f"{path.stem}:{number - 1}", row)
    except NoReference as error:
        raise BadTask(f"{path}, row {number}: {error}") from None
    except (KeyError, TypeError, ValueError) as error:
        raise BadTask(f"{path}, row {number}: it has no question and answer ({error!r})") from None


def question(name: str, row: Mapping[str, Any]) -> Question:
    """Raises NoReference."""
    text = str(first(row, TEXTS))
    if row.get("choices"):
        texts, gold = offered(row)
        said = "\n".join(f"({letter}) {choice}" for letter, choice in zip(ascii_uppercase, texts, strict=False))
        return Question(name, f"{text}\n{said}", gold, picks(gold, texts), row, choice=True)
    gold = final(str(first(row, ANSWERS)))
    return Question(name, text, gold, agrees(gold), row)
