"""Results of an evaluation: one per arm, question and repeat, stored as JSON Lines so that a run can be resumed."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import orjson

from cogitate.server.evaluation.errors import CannotEvaluate

REFUSED = "refused"
"""Value of `stopped` where the prompt does not fit into the model's context."""
Key = tuple[str, str, int, str]
"""A result's arm, question, repeat and digest (see `provenance`)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """The answer of an arm to a question, and its cost. The fields are the keys of the results file."""

    arm: str
    """The strategy with its options, or a baseline's name."""
    question: str
    """The question's id."""
    repeat: int = 0
    """Index of the repeat of the same question: with the samples in another order, or one per sample."""
    correct: bool
    answer: str | None
    """None: the arm abstained."""
    tokens: int
    """All tokens decoded, including those of discarded and aborted samples and of verifiers."""
    aborted: int = 0
    """Tokens of aborted samples."""
    verifier: int = 0
    """Tokens of verifiers."""
    prompt: int = 0
    """Tokens of the prompt."""
    candidates: int = 1
    depth: float = 0.0
    """Tokens decoded one after the other, assuming that all sequences run at one speed. 0: unknown."""
    seconds: float = 0.0
    """Latency of a live request; 0 in a replay, which runs in virtual time."""
    stopped: str = "completed"
    made: str = ""
    """Digest of the server or bank that produced the result, and of the request (see `provenance`)."""

    @property
    def key(self) -> Key:
        return self.arm, self.question, self.repeat, self.made


def overlong_result(arm: str, question: str, repeat: int = 0) -> Result:
    """Build the result for a prompt that exceeds the model's context: wrong, and of unknown cost."""
    return Result(arm=arm, question=question, repeat=repeat, correct=False, answer=None, tokens=0, stopped=REFUSED)


class BadResults(CannotEvaluate):
    """The results file cannot be written, or is not a results file."""


class Results:
    """The results so far. With a path they are appended to that file, and those in it are not computed again."""

    def __init__(self, path: Path | None = None) -> None:
        """Read the file, if there is one. A torn last line, from a crash, is dropped. Raises BadResults."""
        self.path = path
        self._by_key: dict[Key, Result] = {}
        if path:
            try:
                self._open(path)
            except OSError as error:
                raise BadResults(f"cannot write {path}: {error.strerror}") from None
            except (ValueError, TypeError):
                raise BadResults(f"{path} is not a results file: choose another --out") from None

    def __contains__(self, key: Key) -> bool:
        return key in self._by_key

    def add(self, digest: str, *results: Result) -> None:
        """Store results with one write. `digest` identifies how they were produced (see `provenance`)."""
        stamped = [replace(result, made=digest) for result in results]
        self._store(stamped)
        if self.path:
            with self.path.open("ab") as file:
                file.write(b"".join(orjson.dumps(asdict(result)) + b"\n" for result in stamped))

    def select(self, keys: Iterable[Key]) -> list[Result]:
        """Return the results of these keys, in their order; keys without a result are skipped."""
        return [self._by_key[key] for key in keys if key in self._by_key]

    def count_stale(self, keys: Iterable[Key]) -> int:
        """Count results of the same arms, questions and repeats that have another digest."""
        current = set(keys)
        names = {key[:3] for key in current}
        return sum(key[:3] in names and key not in current for key in self._by_key)

    def _open(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.exists():
            content = path.read_bytes()
            lines = content[: content.rfind(b"\n") + 1]
            self._store(Result(**orjson.loads(line)) for line in lines.splitlines())
            if lines != content:
                path.write_bytes(lines)

    def _store(self, results: Iterable[Result]) -> None:
        self._by_key.update((result.key, result) for result in results)
