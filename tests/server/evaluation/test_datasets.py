"""Reading question files, and errors that name the row."""

import json
from pathlib import Path

import pytest

from cogitate.server.evaluation.question import BadTask, Question
from cogitate.server.evaluation.tasks import load_task

GOOD = {"question": "What is 1 + 1?", "answer": "2"}
PROOF = "It follows. " * 20


def read(tmp_path: Path, content: str | bytes) -> list[Question]:
    path = tmp_path / "task.jsonl"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return load_task(str(path))


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
def test_reference_answer_is_extracted_from_each_kind_of_row(row: dict[str, object], gold: str, tmp_path: Path):
    assert [question.gold for question in read(tmp_path, json.dumps(row))] == [gold]


def test_integer_reference_keeps_all_digits(tmp_path: Path):
    number = "123456789012345678901234567890"
    (question,) = read(tmp_path, f'{{"question": "?", "answer": {number}}}')
    assert question.gold == number and question.grade(number) and not question.grade(f"{number[:-1]}1")


def test_byte_order_mark_and_crlf_are_stripped(tmp_path: Path):
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
        ("[]", "not a JSON object"),
        ("{", "not valid JSON"),
        ("[" * 100_000, "not valid JSON"),
        (f'{{"question": "?", "answer": {"1" * 5000}}}', "not valid JSON"),
    ],
)
def test_row_without_usable_reference_is_named_in_one_line(row: str, why: str, tmp_path: Path):
    with pytest.raises(BadTask, match=rf"task\.jsonl, row 3: .*{why}") as refused:
        read(tmp_path, f"{json.dumps(GOOD)}\n{json.dumps(GOOD)}\n\n{row}\n")
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("content", [b"\xff\xfe", "", "\n"])
def test_file_without_questions_raises_bad_task(content: str | bytes, tmp_path: Path):
    with pytest.raises(BadTask):
        read(tmp_path, content)
