"""Sample banks: each question's samples are drawn once, so that strategies are compared on the same samples.

A bank is a JSON Lines file: the first line is the recipe, each other line one sample. Samples are appended as they are
drawn, and a fill that was interrupted is resumed; a torn last line, from a crash, is dropped.
"""

import argparse
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Self

import orjson

from cogitate.server.evaluation.errors import CannotEvaluate
from cogitate.server.evaluation.few_shot import read_shots
from cogitate.server.evaluation.provenance import digest
from cogitate.server.evaluation.question import Question
from cogitate.server.evaluation.sample import GREEDY_INDEX, Recipe, Sample
from cogitate.strategies.core.prompts import BOXED

DEFAULT_MAX_TOKENS = 400
"""Limit per sample, where --max-tokens is not given."""
FILE_PREFIX = b'{"bank":{'
"""The first bytes of every bank."""


class BadBank(CannotEvaluate):
    """The file is not a bank, cannot be read or written, or holds samples of another recipe or other questions."""


class RecipeMismatch(CannotEvaluate):
    """A flag contradicts the recipe of the bank that is replayed."""


@dataclass(slots=True)
class Bank:
    """Samples by question id and index."""

    recipe: Recipe
    samples: dict[str, dict[int, Sample]] = field(default_factory=dict)

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read a bank's file. Raises BadBank."""
        return cls.parse(_read_bytes(path), path)

    @classmethod
    def parse(cls, content: bytes, path: Path) -> Self:
        """Parse the content of a bank's file; `path` is for error messages. Raises BadBank."""
        try:
            first, *lines = content.split(b"\n")
            bank = cls(Recipe(**orjson.loads(first)["bank"]))
            for at, line in enumerate(lines):
                if line and (sample := _parse_sample(line, last=at == len(lines) - 1)):
                    bank.add(sample)
        except (ValueError, KeyError, TypeError) as error:
            raise BadBank(f"{path} is not a sample bank: {error!r}") from None
        return bank

    def add(self, sample: Sample) -> None:
        self.samples.setdefault(sample.question, {})[sample.index] = sample

    def samples_of(self, question: str) -> list[Sample]:
        """Return a question's samples by index, the greedy one first."""
        return [sample for _, sample in sorted(self.samples.get(question, {}).items())]

    def non_greedy(self, question: str) -> list[Sample]:
        """Return a question's samples by index, without the greedy one."""
        return [sample for sample in self.samples_of(question) if sample.index != GREEDY_INDEX]

    def greedy(self, question: str) -> Sample | None:
        """Return a question's greedy sample."""
        return self.samples.get(question, {}).get(GREEDY_INDEX)


class BankFile:
    """A bank on disk that samples are appended to. An existing file is continued if it has the same recipe."""

    def __init__(self, path: Path, recipe: Recipe) -> None:
        """Open the file, or make it with its folder. Raises BadBank."""
        content = _read_bytes(path) if path.exists() else b""
        lines = content[: content.rfind(b"\n") + 1]
        if not lines and content[: len(FILE_PREFIX)] != FILE_PREFIX[: len(content)]:
            raise BadBank(f"{path} is not a sample bank: choose another file")
        self.bank = Bank.parse(lines, path) if lines else Bank(recipe)
        if self.bank.recipe != recipe:
            raise BadBank(f"{path} has samples of another recipe ({self.bank.recipe}): choose another file")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = path.open("ab")
        except OSError as error:
            raise BadBank(f"cannot write {path}: {error.strerror}") from None
        self._file.truncate(len(lines))
        if not lines:
            self._write({"bank": asdict(recipe)})

    def __contains__(self, key: tuple[str, int]) -> bool:
        """Whether it has the sample of this question id and index."""
        question, index = key
        return index in self.bank.samples.get(question, {})

    def add(self, sample: Sample) -> None:
        """Append a sample, and flush it to disk."""
        self.bank.add(sample)
        self._write(asdict(sample))

    def close(self) -> None:
        self._file.close()

    def _write(self, value: dict[str, Any]) -> None:
        self._file.write(orjson.dumps(value) + b"\n")
        self._file.flush()


def balance(bank: Bank, questions: Sequence[Question]) -> tuple[int, Bank]:
    """Return n, and a bank of exactly n samples of each question that has at least n.

    n maximises the number of samples that are compared; the larger n wins a tie.
    """
    counts = {question.id: len(bank.non_greedy(question.id)) for question in questions}
    n = max(counts.values(), key=lambda n: (n * sum(count >= n for count in counts.values()), n), default=0)
    balanced = Bank(bank.recipe)
    for question, count in counts.items():
        for sample in (bank.greedy(question), *bank.non_greedy(question)[:n]) if count >= n > 0 else ():
            if sample:
                balanced.add(sample)
    return n, balanced


def check_questions(bank: Bank, questions: Sequence[Question]) -> None:
    """Raises BadBank where samples were drawn for a question of the same id and another text."""
    for question in questions:
        known = ("", digest(question.text))
        if any(sample.asked not in known for sample in bank.samples_of(question.id)):
            raise BadBank(f"the bank's samples of {question.id} are for a question with another text: use another file")


def build_recipe(args: argparse.Namespace, model: str, questions: Sequence[Question]) -> Recipe:
    """Build the recipe that the flags ask for."""
    return Recipe(
        task=Path(args.task).stem,
        model=model,
        instruction=_instruction(args, questions),
        temperature=0.7 if args.temperature is None else args.temperature,
        top_p=1.0 if args.top_p is None else args.top_p,
        max_tokens=args.max_tokens or DEFAULT_MAX_TOKENS,
        seed=args.seed,
        shots=[list(shot) for shot in read_shots(args.shots)],
    )


def check_recipe(args: argparse.Namespace, recipe: Recipe) -> None:
    """Raises RecipeMismatch where a flag differs from the bank's recipe: a replay draws no samples to apply it to."""
    flags = {
        "--temperature": (args.temperature, recipe.temperature),
        "--top-p": (args.top_p, recipe.top_p),
        "--max-tokens": (args.max_tokens, recipe.max_tokens),
        "--instruction": (args.instruction, recipe.instruction),
        "--shots": (args.shots and [list(shot) for shot in read_shots(args.shots)], recipe.shots),
    }
    for flag, (value, drawn_with) in flags.items():
        if value is not None and value != drawn_with:
            raise RecipeMismatch(
                f"{flag} differs from the recipe of {args.bank}, and a replay draws no samples: leave the flag out"
            )


def _instruction(args: argparse.Namespace, questions: Sequence[Question]) -> str:
    """The question of a program states itself what the response shall look like."""
    if args.instruction is not None:
        return str(args.instruction)
    return "" if any(question.program for question in questions) else BOXED


def _read_bytes(path: Path) -> bytes:
    """Raises BadBank."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise BadBank(f"cannot read {path}: {error.strerror}") from None


def _parse_sample(line: bytes, *, last: bool) -> Sample | None:
    """Return None for a last line that was torn as it was written."""
    try:
        return Sample(**orjson.loads(line))
    except orjson.JSONDecodeError:
        if last:
            return None
        raise
