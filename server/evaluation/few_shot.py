"""Worked examples: questions and answers that a model is shown before each question (few-shot prompting)."""

from collections.abc import Sequence
from pathlib import Path

import orjson

from cogitate.server.evaluation.errors import CannotEvaluate


class BadShots(CannotEvaluate):
    """Why a file holds no examples."""


Shots = Sequence[Sequence[str]]
"""Of each its question and its answer."""


def turns(shown: Shots, text: str) -> list[dict[str, str]]:
    """A conversation that ends with this text, the examples before it."""
    said = [turn for asked, answer in shown for turn in (("user", asked), ("assistant", answer))]
    return [{"role": role, "content": content} for role, content in (*said, ("user", text))]


def shots(path: Path | None) -> Shots:
    """Of a file of JSON lines, each with a `question` and an `answer`, which is shown whole. Raises BadShots."""
    if path is None:
        return ()
    try:
        rows = [orjson.loads(line) for line in path.read_bytes().splitlines() if line.strip()]
        return tuple((str(row["question"]), str(row["answer"])) for row in rows)
    except OSError as error:
        raise BadShots(f"cannot read {path}: {error.strerror}") from None
    except (orjson.JSONDecodeError, KeyError, TypeError) as error:
        raise BadShots(f"{path}: a row is not JSON with a question and an answer ({error!r})") from None
