"""One question under one strategy: what came out and what it cost. Kept as JSON lines, so that a run goes on."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import orjson

from cogitate.server.evaluation.errors import CannotEvaluate

REFUSED = "refused"
Key = tuple[str, str, int, str]
"""Of a result: its arm, its question, which repeat it is, and how it was made."""


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
    made: str = ""
    """A digest of how: what the server or the bank was, and what was asked."""

    @property
    def key(self) -> Key:
        return self.arm, self.question, self.repeat, self.made


def refused(arm: str, question: str, repeat: int = 0) -> Result:
    """The model's context does not hold what had to be asked. What it would have cost, nobody knows."""
    return Result(arm=arm, question=question, repeat=repeat, correct=False, answer=None, tokens=0, stopped=REFUSED)


class BadResults(CannotEvaluate):
    """Why the file cannot be gone on with."""


class Results:
    """What is known so far; with a path it is kept, and what is there already is not found again."""

    def __init__(self, path: Path | None = None) -> None:
        """Raises BadResults. A torn last line, from a crash, is dropped."""
        self.path = path
        self.all: dict[Key, Result] = {}
        if path:
            try:
                self._open(path)
            except OSError as error:
                raise BadResults(f"cannot write {path}: {error.strerror}") from None
            except (ValueError, TypeError):
                raise BadResults(f"{path} holds no results: choose another --out") from None

    def __contains__(self, key: Key) -> bool:
        return key in self.all

    def put(self, made: str, *found: Result) -> None:
        """Results of one making. They are written together."""
        stamped = [replace(result, made=made) for result in found]
        self._take(stamped)
        if self.path:
            with self.path.open("ab") as file:
                file.write(b"".join(orjson.dumps(asdict(result)) + b"\n" for result in stamped))

    def of(self, keys: Iterable[Key]) -> list[Result]:
        """Those that are there, in this order."""
        return [self.all[key] for key in keys if key in self.all]

    def made_otherwise(self, keys: Iterable[Key]) -> int:
        """How many are there of the same names and another making."""
        wanted = set(keys)
        names = {key[:3] for key in wanted}
        return sum(key[:3] in names and key not in wanted for key in self.all)

    def _open(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.exists():
            written = path.read_bytes()
            whole = written[: written.rfind(b"\n") + 1]
            self._take(Result(**orjson.loads(line)) for line in whole.splitlines())
            if whole != written:
                path.write_bytes(whole)

    def _take(self, results: Iterable[Result]) -> None:
        self.all.update((result.key, result) for result in results)
