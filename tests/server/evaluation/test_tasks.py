"""Tasks by name, and which answers to them are right."""

import re

from cogitate.server.evaluation.tasks import build_gym_question, load_task
from cogitate.strategies.answers import extract


def test_sums_depend_on_their_seed_and_grade_their_values():
    asked = load_task("sums", 30, seed=5)
    assert asked == load_task("sums", 30, seed=5) != load_task("sums", 30, seed=6)
    assert len({question.id for question in asked + load_task("sums", 30, seed=6)}) == 60
    for question in asked:
        value = sum(map(int, re.findall(r"\d+", question.text)))
        assert question.is_right(extract(f"\\boxed{{{value}}}", "auto", question.text))
        assert not question.is_right(extract(f"\\boxed{{{value + 1}}}", "auto", question.text))


def test_generated_task_has_100_questions_by_default():
    assert len(load_task("sums")) == 100


class Dataset:
    """A data set with reasoning-gym's interface, which records the answers that it scores."""

    def __init__(self) -> None:
        self.scored: list[str] = []

    def score_answer(self, answer: str, entry: dict[str, str]) -> float:
        self.scored.append(answer)
        return 1.0 if answer == entry["answer"] else 0.01


def test_gym_task_is_graded_by_its_own_verifier():
    dataset = Dataset()
    question = build_gym_question("gym:x:0", dataset, {"question": "Who?", "answer": "Zoey"})
    assert question.grade("Zoey") and not question.grade("Riley") and not question.grade(None)
    assert dataset.scored == ["Zoey", "Riley"]


class Raising(Dataset):
    """Raises for some answers, as some of reasoning-gym's data sets do."""

    def score_answer(self, answer: str, entry: dict[str, str]) -> float:
        return 1.0 / answer.count("x")


def test_answer_at_which_the_verifier_raises_is_wrong():
    question = build_gym_question("gym:x:0", Raising(), {"question": "Factorise 6.", "answer": "2 x 3"})
    assert question.grade("2 x 3") and not question.grade("6")


def test_countdown_is_graded_without_evaluating_the_answer_as_python():
    dataset = Dataset()
    text = "Calculate 309 using all of these numbers: 6, 61, 94, 4.\nEach number may be used at most once."
    question = build_gym_question("gym:countdown:0", dataset, {"question": text, "answer": "94*4 - 61 - 6"})
    assert question.grade("94*4 - 61 - 6") and question.grade("(94 * 4) - (6 + 61)")
    assert not question.grade("__import__('os').getpid()") and not question.grade("94*4") and not dataset.scored
