"""Multiple choice, as several data sets write it."""

import json
from pathlib import Path

import pytest

from cogitate.server.evaluation.multiple_choice import picks
from cogitate.server.evaluation.question import BadTask, Question
from cogitate.server.evaluation.tasks import load
from cogitate.strategies.answers import Answer, extract

CITIES = ["Rome", "Paris", "A town", "Oslo"]
ARC = {"text": CITIES, "label": ["1", "2", "3", "4"]}


def asked(tmp_path: Path, **row: object) -> Question:
    (tmp_path / "task.jsonl").write_text(json.dumps({"question": "What is the capital of France?", **row}))
    return load(str(tmp_path / "task.jsonl"))[0]


def right(question: Question, reply: str) -> bool:
    return question.right(extract(reply, "auto", question.text))


@pytest.mark.parametrize("answer", ["B", "b", 1, "Paris"])
def test_the_right_one_is_a_letter_an_index_or_a_text(answer: object, tmp_path: Path):
    question = asked(tmp_path, choices=CITIES, answer=answer)
    assert question.gold == "B" and question.text.endswith("(A) Rome\n(B) Paris\n(C) A town\n(D) Oslo")
    for reply in (
        "\\boxed{B}",
        "\\boxed{Paris}",
        "The answer is (B).",
        "The answer is B. Paris",
        "\\boxed{\\text{(B)}}",
    ):
        assert right(question, reply), reply
    for reply in ("\\boxed{A}", "\\boxed{Rome}", "The answer is Oslo.", "I do not know."):
        assert not right(question, reply), reply
    assert question.right(Answer("B. Paris", "B. Paris", "phrase")), "as a server tells it"


def test_arcs_rows(tmp_path: Path):
    assert asked(tmp_path, choices=ARC, answerKey="2").gold == "B"
    assert asked(tmp_path, choices={**ARC, "label": ["A", "B", "C", "D"]}, answerKey="d").gold == "D"


def test_a_text_that_begins_like_a_letter_is_that_text(tmp_path: Path):
    question = asked(tmp_path, choices=CITIES, answer="A")
    assert not right(question, "\\boxed{A town}") and right(question, "\\boxed{A}")
    assert right(asked(tmp_path, choices=CITIES, answer="C"), "\\boxed{A town}")


def test_a_text_that_two_have_or_that_is_a_letter_picks_none():
    assert (
        picks("A", ["x", "x", "y"])("A") and not picks("A", ["x", "x", "y"])("x") and picks("C", ["x", "x", "y"])("y")
    )
    assert picks("A", ["B", "A"])("A") and not picks("A", ["B", "A"])("B") and not picks("A", ["B", "A"])(None)


@pytest.mark.parametrize(
    ("row", "why"),
    [
        ({"choices": CITIES, "answer": 4}, "answer 4 is none of the 4 choices"),
        ({"choices": CITIES, "answer": -1}, "none of the 4"),
        ({"choices": CITIES, "answer": True}, "none of the 4"),
        ({"choices": CITIES, "answer": "E"}, "none of the 4"),
        ({"choices": CITIES, "answer": "paris"}, "none of the 4"),
        ({"choices": ["B", "A"], "answer": "A"}, "more than one of the 2"),
        ({"choices": CITIES, "answer": None}, "no answer"),
        ({"choices": [*map(str, range(27))], "answer": 0}, "27 choices"),
        ({"choices": ARC, "answerKey": "B"}, "none of the 4"),
        ({"choices": {"text": CITIES, "label": ["1"]}, "answerKey": "1"}, "ValueError"),
    ],
)
def test_a_row_whose_answer_is_no_choice_is_named(row: dict[str, object], why: str, tmp_path: Path):
    with pytest.raises(BadTask, match=rf"task\.jsonl, row 1: .*{why}"):
        asked(tmp_path, **row)
