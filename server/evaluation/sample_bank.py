"""A bank: every question answered many times, once and for all, so that strategies are compared on the same samples.

A file of JSON lines: the first says how the samples were made, each other one is a sample. It is written as it grows
and goes on where it stopped; a torn last line, from a crash, is dropped.
"""

from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Self

import orjson

from cogitate.server.evaluation.errors import CannotEvaluate
from cogitate.server.evaluation.sample import GREEDY, Recipe, Sample

OPENING = b'{"bank":{'
"""What every bank's file begins with."""


class BadBank(CannotEvaluate):
    """Why a bank cannot be used."""


@dataclass(slots=True)
class Bank:
    recipe: Recipe
    samples: dict[str, dict[int, Sample]] = field(default_factory=dict)

    @classmethod
    def read(cls, path: Path) -> Self:
        """Raises BadBank."""
        return cls.of(contents(path), path)

    @classmethod
    def of(cls, written: bytes, path: Path) -> Self:
        """Raises BadBank."""
        try:
            first, *lines = written.split(b"\n")
            bank = cls(Recipe(**orjson.loads(first)["bank"]))
            for at, line in enumerate(lines):
                if line:
                    bank.add(_sample(line, last=at == len(lines) - 1))
        except (ValueError, KeyError, TypeError) as error:
            raise BadBank(f"{path} is no bank of samples: {error!r}") from None
        return bank

    def add(self, sample: Sample | None) -> None:
        if sample is not None:
            self.samples.setdefault(sample.question, {})[sample.index] = sample

    def held(self, question: str) -> list[Sample]:
        """A question's samples in order, the greedy one first."""
        return [sample for _, sample in sorted(self.samples.get(question, {}).items())]

    def drawn(self, question: str) -> list[Sample]:
        """The same, the greedy one left out."""
        return [sample for sample in self.held(question) if sample.index != GREEDY]

    def greedy(self, question: str) -> Sample | None:
        return self.samples.get(question, {}).get(GREEDY)


def contents(path: Path) -> bytes:
    """Raises BadBank."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise BadBank(f"cannot read {path}: {error.strerror}") from None


def _sample(line: bytes, *, last: bool) -> Sample | None:
    """None for a line that was torn as it was written: without its newline."""
    try:
        return Sample(**orjson.loads(line))
    except orjson.JSONDecodeError:
        if last:
            return None
        raise


class BankFile:
    """A bank on disk that grows. Opened again it goes on, if it is of the same recipe."""

    def __init__(self, path: Path, recipe: Recipe) -> None:
        """Raises BadBank."""
        written = contents(path) if path.exists() else b""
        whole = written[: written.rfind(b"\n") + 1]
        if not whole and written[: len(OPENING)] != OPENING[: len(written)]:
            raise BadBank(f"{path} is no bank of samples: choose another file")
        self.bank = Bank.of(whole, path) if whole else Bank(recipe)
        if self.bank.recipe != recipe:
            raise BadBank(f"{path} was made otherwise ({self.bank.recipe}): choose another file")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = path.open("ab")
        except OSError as error:
            raise BadBank(f"cannot write {path}: {error.strerror}") from None
        self._file.truncate(len(whole))
        if not whole:
            self._write({"bank": asdict(recipe)})

    def __contains__(self, wanted: tuple[str, int]) -> bool:
        question, index = wanted
        return index in self.bank.samples.get(question, {})

    def put(self, sample: Sample) -> None:
        self.bank.add(sample)
        self._write(asdict(sample))

    def close(self) -> None:
        self._file.close()

    def _write(self, value: dict[str, Any]) -> None:
        self._file.write(orjson.dumps(value) + b"\n")
        self._file.flush()
