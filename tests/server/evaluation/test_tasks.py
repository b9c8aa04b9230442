"""Tasks by name, and what counts as right in them."""

import re

from cogitate.server.evaluation.tasks import gym_question, load
from cogitate.strategies.answers import extract


def test_sums_are_right_differ_by_seed_and_repeat():
    asked = load("sums", 30, seed=5)
    assert asked == load("sums", 30, seed=5) != load("sums", 30, seed=6)
    assert len({question.id for question in asked + load("sums", 30, seed=6)}) == 60
    for question in asked:
        value = sum(map(int, re.findall(r"\d+", question.text)))
        assert question.right(extract(f"\\boxed{{{value}}}", "auto", question.text))
        assert not question.right(extract(f"\\boxed{{{value + 1}}}", "auto", question.text))


def test_a_task_that_makes_its_questions_makes_a_hundred():
    assert len(load("sums")) == 100


class Dataset:
    """As reasoning-gym's: it scores an answer, and here it remembers which."""

    def __init__(self) -> None:
        self.scored: list[str] = []

    def score_answer(self, answer: str, entry: dict[str, str]) -> float:
        self.scored.append(answer)
        return 1.0 if answer == entry["answer"] else 0.01


def test_a_gym_task_is_graded_by_its_own_verifier():
    dataset = Dataset()
    question = gym_question("gym:x:0", dataset, {"question": "Who?", "answer": "Zoey"})
    assert question.grade("Zoey") and not question.grade("Riley") and not question.grade(None)
    assert dataset.scored == ["Zoey", "Riley"]


class Fussy(Dataset):
    """As some of reasoning-gym's are: they evaluate an answer, and do not expect every one."""

    def score_answer(self, answer: str, entry: dict[str, str]) -> float:
        return 1.0 / answer.count("x")


def test_an_answer_that_a_verifier_cannot_read_is_wrong():
    question = gym_question("gym:x:0", Fussy(), {"question": "Factorise 6.", "answer": "2 x 3"})
    assert question.grade("2 x 3") and not question.grade("6")


def test_countdown_is_graded_without_evaluating_what_a_model_wrote():
    dataset = Dataset()
    text = "Calculate 309 using all of these numbers: 6, 61, 94, 4.\nEach number may be used at most once."
    question = gym_question("gym:countdown:0", dataset, {"question": text, "answer": "94*4 - 61 - 6"})
    assert question.grade("94*4 - 61 - 6") and question.grade("(94 * 4) - (6 + 61)")
    assert not question.grade("__import__('os').getpid()") and not question.grade("94*4") and not dataset.scored
