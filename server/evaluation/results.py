"""One question under one strategy: what came out and what it cost. Kept as JSON lines, so that a run goes on."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

import orjson


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    arm: str
    """The strategy with its options, as it was asked for."""
    question: str
    repeat: int = 0
    """The same again, with the samples in another order or another seed."""
    correct: bool
    answer: str | None
    """None: it abstained."""
    tokens: int
    """Every token decoded: kept, dropped, aborted, verdicts."""
    aborted: int = 0
    verifier: int = 0
    prompt: int = 0
    candidates: int = 1
    depth: float = 0.0
    """Tokens decoded one after the other, as if each sequence ran at one speed. 0: not known."""
    seconds: float = 0.0
    """0 in a replay: it has no clock of its own."""
    stopped: str = "completed"


class BadResults(Exception):
    """Why the file cannot be gone on with, in one line."""


class Results:
    """What is known so far; with a path it is kept, and what is there already is not found again."""

    def __init__(self, path: Path | None = None) -> None:
        """Raises BadResults. A torn last line, from a crash, is dropped."""
        self.path = path
        self.all: dict[tuple[str, str, int], Result] = {}
        if path and path.exists():
            whole = path.read_bytes()
            whole = whole[: whole.rfind(b"\n") + 1]
            try:
                for line in whole.splitlines():
                    self._take(Result(**orjson.loads(line)))
            except (ValueError, TypeError):
                raise BadResults(f"{path} holds no results: choose another --out") from None
            path.write_bytes(whole)

    def __contains__(self, key: tuple[str, str, int]) -> bool:
        return key in self.all

    def put(self, result: Result) -> None:
        self._take(result)
        if self.path:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with self.path.open("ab") as file:
                file.write(orjson.dumps(asdict(result)) + b"\n")

    def of(self, arm: str, questions: Iterable[str] | None = None) -> list[Result]:
        kept = None if questions is None else set(questions)
        return [r for r in self.all.values() if r.arm == arm and (kept is None or r.question in kept)]

    def _take(self, result: Result) -> None:
        self.all[result.arm, result.question, result.repeat] = result
