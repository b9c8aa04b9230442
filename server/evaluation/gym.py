"""Tasks of reasoning-gym, graded by their own scorers, which read plain text."""

import importlib
import re
from collections.abc import Iterator, Mapping
from typing import Any

from cogitate.server.evaluation.arms import BadSpec, parse_spec
from cogitate.server.evaluation.question import BadTask, Question
from cogitate.strategies.answers.plain_text import plain_texts
from cogitate.strategies.verifiers.countdown import parse_game

GYM = "gym:"
PROBED_ENTRIES = 3
"""Questions on which a scorer is tried with wrong answers before the task is taken."""
_NONSENSE = "no answer at all"
_OPPOSITES = {"True": "False", "False": "True", "Yes": "No", "No": "Yes", "yes": "no", "no": "yes"}


def load_gym(spec: str, size: int, seed: int) -> list[Question]:
    """Load a task of reasoning-gym with its options. An answer is right where the task's own scorer gives it 1.

    Raises BadTask; also for a task whose scorer takes wrong answers.
    """
    try:
        package = importlib.import_module("reasoning_gym")
    except ImportError:
        raise BadTask(f"{GYM}{spec} needs the package reasoning-gym: pip install reasoning-gym") from None
    try:
        dataset = package.create_dataset(**{**parse_spec(spec), "size": size, "seed": seed})
    except (ValueError, TypeError, AssertionError, BadSpec) as error:
        raise BadTask(f"{GYM}{spec}: {error}") from None
    questions = [build_gym_question(f"{GYM}{spec}:{seed}:{at}", dataset, dataset[at]) for at in range(size)]
    check_scorer(f"{GYM}{spec}", questions)
    return questions


def build_gym_question(name: str, dataset: Any, entry: Mapping[str, Any]) -> Question:  # noqa: ANN401 an optional package
    """Build a question that the data set's scorer grades, on the answer as written or as plain text.

    Countdown is graded by our own verifier, with the same verdicts: the package's evaluates the answer as Python.
    """
    text, score = str(entry["question"]), dataset.score_answer
    game = parse_game(text)

    def grade_text(answer: str) -> bool:
        try:
            return game.is_solution(answer) if game else bool(score(answer=answer, entry=entry) >= 1)
        except Exception:  # noqa: BLE001 some of the package's scorers raise at answers that they cannot parse
            return False

    def grade(answer: str | None) -> bool:
        return answer is not None and any(map(grade_text, plain_texts(answer)))

    return Question(name, text, str(entry["answer"]), grade, entry)


def check_scorer(name: str, questions: list[Question]) -> None:
    """Raises BadTask where the scorer gives 1 to an answer that is surely wrong: such a task cannot be failed."""
    for question in questions[:PROBED_ENTRIES]:
        for wrong in build_wrong_answers(question.gold):
            if question.grade(wrong):
                raise BadTask(
                    f"{name}: its scorer in reasoning-gym takes {wrong!r} for {question.gold!r}, so that its results "
                    "would mean nothing: choose another task"
                )


def build_wrong_answers(gold: str) -> Iterator[str]:
    """Yield answers that are wrong whatever the question: nonsense, the opposite, another number, another sign."""
    yield _NONSENSE
    bare = gold.strip()
    if bare in _OPPOSITES:
        yield _OPPOSITES[bare]
    if re.fullmatch(r"[1-9][0-9]{0,17}", bare):
        yield f"-{bare}"
        yield str(int(bare) + 1)
