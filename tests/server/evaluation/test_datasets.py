"""Files of questions: what is read of them, and which row is named where one cannot be."""

import json
from pathlib import Path

import pytest

from cogitate.server.evaluation.question import BadTask, Question
from cogitate.server.evaluation.tasks import load

GOOD = {"question": "What is 1 + 1?", "answer": "2"}
PROOF = "It follows. " * 20


def read(tmp_path: Path, content: str | bytes) -> list[Question]:
    path = tmp_path / "task.jsonl"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return load(str(path))


@pytest.mark.parametrize(
    ("row", "gold"),
    [
        (GOOD, "2"),
        ({"question": "?", "answer": "Paris"}, "Paris"),
        ({"question": "?", "answer": f"{PROOF}\n#### 72"}, "72"),
        ({"question": "?", "answer": f"{PROOF}\n####\n72"}, "72"),
        ({"problem": "?", "solution": f"{PROOF} So \\boxed{{\\frac12}}."}, "\\frac12"),
        ({"question": "?", "answer": 42}, "42"),
        ({"question": "?", "answer": 0}, "0"),
        ({"question": "?", "answer": "2", "choices": []}, "2"),
    ],
)
def test_a_reference_is_read(row: dict[str, object], gold: str, tmp_path: Path):
    assert [question.gold for question in read(tmp_path, json.dumps(row))] == [gold]


def test_a_large_number_stays_exact(tmp_path: Path):
    number = "123456789012345678901234567890"
    (question,) = read(tmp_path, f'{{"question": "?", "answer": {number}}}')
    assert question.gold == number and question.grade(number) and not question.grade(f"{number[:-1]}1")


def test_marks_of_windows_are_no_part_of_a_row(tmp_path: Path):
    lines = f"{json.dumps(GOOD)}\r\n\r\n{json.dumps(GOOD | {'question': 'Ein Ä?'}, ensure_ascii=False)}\r\n"
    questions = read(tmp_path, b"\xef\xbb\xbf" + lines.replace("Ein", "One\u2028").encode())
    assert [question.id for question in questions] == ["task:0", "task:1"] and "\u2028" in questions[1].text


@pytest.mark.parametrize(
    ("row", "why"),
    [
        ('{"question": null, "answer": "1"}', "no question"),
        ('{"question": " ", "answer": "1"}', "no question"),
        ('{"answer": "1"}', "no question"),
        ('{"question": "?", "answer": null}', "no answer"),
        ('{"question": "?", "answer": ""}', "no answer"),
        ('{"question": "?"}', "no answer"),
        ('{"question": "?", "answer": "work\\n#### "}', "empty"),
        (json.dumps({"question": "?", "answer": PROOF}), "longer than 200"),
        ("[]", "no JSON object"),
        ("{", "not JSON"),
        ("[" * 100_000, "not JSON"),
        (f'{{"question": "?", "answer": {"1" * 5000}}}', "not JSON"),
    ],
)
def test_a_row_that_cannot_be_right_is_named(row: str, why: str, tmp_path: Path):
    with pytest.raises(BadTask, match=rf"task\.jsonl, row 3: .*{why}") as refused:
        read(tmp_path, f"{json.dumps(GOOD)}\n{json.dumps(GOOD)}\n\n{row}\n")
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("content", [b"\xff\xfe", "", "\n"])
def test_a_file_without_questions_is_a_line(content: str | bytes, tmp_path: Path):
    with pytest.raises(BadTask):
        read(tmp_path, content)
