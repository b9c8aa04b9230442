"""Converts stored votes of large models for `cogitate eval`: python -m tests.bench.vote_banks FILE FOLDER

FILE (`vote_banks.jsonl`) holds, for each question of a set and a model, the answers of up to 80 samples with their
tokens, and the reference answer. Each set becomes a task FOLDER/SET.jsonl, each set and model a bank
FOLDER/SET-MODEL.jsonl whose samples are nothing but their boxed answers, with the tokens that the model decoded.
"""

import sys
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from cogitate.server.evaluation.datasets import build_question
from cogitate.server.evaluation.question import Question
from cogitate.server.evaluation.sample import Recipe, Sample
from cogitate.server.evaluation.sample_bank import Bank, BankFile

FILE = Path("../shared/data/vote_banks.jsonl")
MAX_TOKENS = 1_000_000
"""No sample of the file is longer."""


@dataclass(frozen=True, slots=True)
class VoteBank:
    """The votes of one model on one set."""

    task: str
    model: str
    questions: Sequence[Question]
    bank: Bank


def read_vote_banks(path: Path = FILE) -> list[VoteBank]:
    """Read all banks of the file, in its order. Raises OSError."""
    rows: dict[tuple[str, str], list[Mapping[str, Any]]] = {}
    for line in path.read_bytes().splitlines():
        row = orjson.loads(line)
        rows.setdefault((row["set"], row["model"]), []).append(row)
    return [_to_bank(*key, of_bank) for key, of_bank in rows.items()]


def _to_bank(task: str, model: str, rows: Sequence[Mapping[str, Any]]) -> VoteBank:
    bank = Bank(Recipe(task=task, model=model, instruction="", max_tokens=MAX_TOKENS))
    questions = [build_question(f"{task}:{at}", _to_row(task, row)) for at, row in enumerate(rows)]
    for question, row in zip(questions, rows, strict=True):
        for index, (answer, tokens) in enumerate(row["answers"]):
            text = f"\\boxed{{{answer}}}" if answer else ""
            bank.add(
                Sample(
                    question=question.id,
                    index=index,
                    seed=index,
                    text=text,
                    finish="stop" if answer else "length",
                    tokens=tokens,
                    prompt_tokens=0,
                )
            )
    return VoteBank(task, model, questions, bank)


def _to_row(task: str, row: Mapping[str, Any]) -> dict[str, str]:
    """The row of a task's file: the question's text is in no bank."""
    return {"question": f"Question {row['question']} of {task}", "answer": row["gold"]}


def main(path: Path, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for stored in read_vote_banks(path):
        task = b"".join(orjson.dumps(dict(question.entry)) + b"\n" for question in stored.questions)
        (folder / f"{stored.task}.jsonl").write_bytes(task)
        with closing(BankFile(folder / f"{stored.task}-{stored.model}.jsonl", stored.bank.recipe)) as file:
            for question in stored.questions:
                for sample in stored.bank.samples_of(question.id):
                    file.add(sample)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
