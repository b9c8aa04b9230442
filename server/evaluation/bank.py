"""A bank: every question answered many times, once and for all, so that strategies are compared on the same samples.

A file of JSON lines: the first says how the samples were made, each other one is a sample. It is written as it grows
and goes on where it stopped; a torn last line, from a crash, is dropped.
"""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Self

import orjson

GREEDY = -1
"""The index of a question's one greedy sample."""


class BadBank(Exception):
    """Why a bank cannot be used, in one line."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """How the samples of a bank are made. A bank holds samples of one recipe only."""

    task: str
    model: str
    instruction: str
    temperature: float = 0.7
    top_p: float = 1.0
    max_tokens: int = 400
    top_logprobs: int = 5
    """Alternatives kept per token, for votes weighted by confidence."""
    seed: int = 0
    shots: list[list[str]] = field(default_factory=list)
    """Questions and answers that are shown before each question."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    question: str
    """The question's id."""
    index: int
    seed: int
    text: str
    finish: str
    tokens: int
    prompt_tokens: int
    logprobs: list[float] = field(default_factory=list, repr=False)
    """Of each token of the text."""
    top: list[list[float]] = field(default_factory=list, repr=False)
    """For each token, those of its best alternatives."""


@dataclass(slots=True)
class Bank:
    recipe: Recipe
    samples: dict[str, dict[int, Sample]] = field(default_factory=lambda: defaultdict(dict))

    @classmethod
    def read(cls, path: Path) -> Self:
        """Raises BadBank."""
        try:
            first, *lines = path.read_bytes().split(b"\n")
            bank = cls(Recipe(**orjson.loads(first)["bank"]))
            for at, line in enumerate(lines):
                if line:
                    bank.add(_sample(line, last=at == len(lines) - 1))
        except OSError as error:
            raise BadBank(f"cannot read {path}: {error.strerror}") from None
        except (ValueError, KeyError, TypeError) as error:
            raise BadBank(f"{path} is no bank of samples: {error!r}") from None
        return bank

    def add(self, sample: Sample | None) -> None:
        if sample is not None:
            self.samples[sample.question][sample.index] = sample

    def drawn(self, question: str) -> list[Sample]:
        """A question's samples in order, the greedy one left out."""
        return [sample for index, sample in sorted(self.samples.get(question, {}).items()) if index != GREEDY]

    def full(self, questions: Iterable[str], n: int) -> list[str]:
        """Of these questions, those with at least n samples."""
        return [question for question in questions if len(self.drawn(question)) >= n]


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
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.exists() and path.stat().st_size:
            self.bank = Bank.read(path)
            if self.bank.recipe != recipe:
                raise BadBank(f"{path} was made otherwise ({self.bank.recipe}): choose another file")
            whole = path.read_bytes()
            path.write_bytes(whole[: whole.rfind(b"\n") + 1])
            self._file = path.open("ab")
        else:
            self.bank = Bank(recipe)
            self._file = path.open("ab")
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
