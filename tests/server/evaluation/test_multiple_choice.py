"""Multiple choice, in the formats of several data sets."""

import json
from pathlib import Path

import pytest

from cogitate.server.evaluation.multiple_choice import choice_grade
from cogitate.server.evaluation.question import BadTask, Question
from cogitate.server.evaluation.tasks import load_task
from cogitate.strategies.answers import Answer, extract

CITIES = ["Rome", "Paris", "A town", "Oslo"]
ARC = {"text": CITIES, "label": ["1", "2", "3", "4"]}


def load_row(tmp_path: Path, **row: object) -> Question:
    (tmp_path / "task.jsonl").write_text(json.dumps({"question": "What is the capital of France?", **row}))
    return load_task(str(tmp_path / "task.jsonl"))[0]


def is_right(question: Question, reply: str) -> bool:
    return question.is_right(extract(reply, "auto", question.text))


@pytest.mark.parametrize("answer", ["B", "b", 1, "Paris"])
def test_reference_may_be_a_letter_an_index_or_a_text(answer: object, tmp_path: Path):
    question = load_row(tmp_path, choices=CITIES, answer=answer)
    assert question.gold == "B" and question.text.endswith("(A) Rome\n(B) Paris\n(C) A town\n(D) Oslo")
    for reply in (
        "\\boxed{B}",
        "\\boxed{Paris}",
        "The answer is (B).",
        "The answer is B. Paris",
        "\\boxed{\\text{(B)}}",
    ):
        assert is_right(question, reply), reply
    for reply in ("\\boxed{A}", "\\boxed{Rome}", "The answer is Oslo.", "I do not know."):
        assert not is_right(question, reply), reply
    assert question.is_right(Answer("B. Paris", "B. Paris", "phrase")), "the answer as `cogitate.answer` reports it"


def test_arc_rows_are_read(tmp_path: Path):
    assert load_row(tmp_path, choices=ARC, answerKey="2").gold == "B"
    assert load_row(tmp_path, choices={**ARC, "label": ["A", "B", "C", "D"]}, answerKey="d").gold == "D"


def test_text_that_begins_with_a_letter_is_not_that_letter(tmp_path: Path):
    question = load_row(tmp_path, choices=CITIES, answer="A")
    assert not is_right(question, "\\boxed{A town}") and is_right(question, "\\boxed{A}")
    assert is_right(load_row(tmp_path, choices=CITIES, answer="C"), "\\boxed{A town}")


def test_ambiguous_text_picks_no_choice():
    assert (
        choice_grade("A", ["x", "x", "y"])("A")
        and not choice_grade("A", ["x", "x", "y"])("x")
        and choice_grade("C", ["x", "x", "y"])("y")
    )
    assert (
        choice_grade("A", ["B", "A"])("A")
        and not choice_grade("A", ["B", "A"])("B")
        and not choice_grade("A", ["B", "A"])(None)
    )


@pytest.mark.parametrize(
    ("row", "why"),
    [
        ({"choices": CITIES, "answer": 4}, "answer 4 matches none of the 4 choices"),
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
def test_row_whose_answer_matches_not_one_choice_is_named(row: dict[str, object], why: str, tmp_path: Path):
    with pytest.raises(BadTask, match=rf"task\.jsonl, row 1: .*{why}"):
        load_row(tmp_path, **row)
