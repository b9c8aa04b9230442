"""Few-shot prompting: worked examples that are shown to the model before each question."""

from collections.abc import Sequence
from pathlib import Path

import orjson

from cogitate.server.evaluation.errors import CannotEvaluate


class BadShots(CannotEvaluate):
    """The file of --shots cannot be read, or a row of it is no example."""


Shots = Sequence[Sequence[str]]
"""Pairs of a question and its answer."""


def build_messages(shots: Shots, text: str) -> list[dict[str, str]]:
    """Build a conversation of the examples, followed by `text` as the last user message."""
    turns = [turn for question, answer in shots for turn in (("user", question), ("assistant", answer))]
    return [{"role": role, "content": content} for role, content in (*turns, ("user", text))]


def read_shots(path: Path | None) -> Shots:
    """Read a JSON Lines file of `question` and `answer`; the answer is shown in full. Raises BadShots."""
    if path is None:
        return ()
    try:
        rows = [orjson.loads(line) for line in path.read_bytes().splitlines() if line.strip()]
        return tuple((str(row["question"]), str(row["answer"])) for row in rows)
    except OSError as error:
        raise BadShots(f"cannot read {path}: {error.strerror}") from None
    except (orjson.JSONDecodeError, KeyError, TypeError) as error:
        raise BadShots(f"{path}: a row is not a JSON object with a question and an answer ({error!r})") from None
