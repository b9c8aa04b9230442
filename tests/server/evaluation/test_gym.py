"""Tasks of reasoning-gym: graded by their scorers on plain text; a scorer that takes wrong answers is refused."""

import pytest

from cogitate.server.evaluation.gym import build_gym_question, build_wrong_answers, check_scorer
from cogitate.server.evaluation.question import BadTask
from cogitate.strategies.answers import extract


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


@pytest.mark.parametrize(
    ("gold", "reply"),
    [
        ("False", r"\boxed{\text{False}}"),
        ("False", r"\boxed{False}"),
        ("781/960", r"\boxed{\frac{781}{960}}"),
        ("3 × 3 × 71", r"\boxed{3 \times 3 \times 71}"),
        ("3 * 3 * 71", r"\boxed{3 \times 3 \times 71}"),
        ("[1, 2]", r"\boxed{[1, 2]}"),
        ("10%", r"\boxed{10\%}"),
    ],
)
def test_answers_in_latex_are_scored_as_plain_text(gold: str, reply: str) -> None:
    question = build_gym_question("gym:x:0", Dataset(), {"question": "Which one?", "answer": gold})
    assert question.is_right(extract(reply, "auto", question.text))


def test_countdown_takes_a_product_in_latex() -> None:
    text = "Calculate 309 using all of these numbers: 6, 61, 94, 4.\nEach number may be used at most once."
    question = build_gym_question("gym:countdown:0", Dataset(), {"question": text, "answer": "94*4 - 61 - 6"})
    assert question.is_right(extract(r"\boxed{94 \times 4 - 61 - 6}", "auto", text))


class TakesAll(Dataset):
    """A scorer that no answer fails, as that of game_of_life_halting."""

    def score_answer(self, answer: str, entry: dict[str, str]) -> float:
        return 1.0


class IgnoresSigns(Dataset):
    """A scorer that reads the digits alone, as that of gsm_symbolic."""

    def score_answer(self, answer: str, entry: dict[str, str]) -> float:
        return float(answer.lstrip("-") == entry["answer"])


@pytest.mark.parametrize(("scorer", "gold"), [(TakesAll(), "True"), (TakesAll(), "words"), (IgnoresSigns(), "747")])
def test_task_whose_scorer_takes_wrong_answers_is_refused_by_name(scorer: Dataset, gold: str) -> None:
    questions = [build_gym_question("gym:x:0", scorer, {"question": "How many?", "answer": gold})]
    with pytest.raises(BadTask, match="gym:x: its scorer"):
        check_scorer("gym:x", questions)


@pytest.mark.parametrize("gold", ["747", "True", "words", "-3", "0"])
def test_task_whose_scorer_fails_wrong_answers_is_taken(gold: str) -> None:
    check_scorer("gym:x", [build_gym_question("gym:x:0", Dataset(), {"question": "How many?", "answer": gold})])
    assert gold not in build_wrong_answers(gold)
