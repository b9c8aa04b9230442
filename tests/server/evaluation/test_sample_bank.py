"""A bank grows, is torn, and goes on."""

from dataclasses import replace
from pathlib import Path

import pytest

from cogitate.server.evaluation.sample import GREEDY
from cogitate.server.evaluation.sample_bank import BadBank, Bank, BankFile
from tests.fakes.banks import RECIPE, sample


def test_what_is_put_is_read(tmp_path: Path):
    file = BankFile(tmp_path / "bank.jsonl", RECIPE)
    for index in (GREEDY, 1, 0):
        file.put(sample("q", index, str(index)))
    file.close()
    bank = Bank.read(tmp_path / "bank.jsonl")
    assert bank.recipe == RECIPE
    assert [s.index for s in bank.drawn("q")] == [0, 1]
    assert [s.index for s in bank.held("q")] == [GREEDY, 0, 1] and bank.held("r") == []


def test_a_torn_line_is_dropped_and_the_next_one_is_whole(tmp_path: Path):
    path = tmp_path / "bank.jsonl"
    file = BankFile(path, RECIPE)
    file.put(sample("q", 0, "1"))
    file.close()
    with path.open("ab") as crash:
        crash.write(b'{"question": "q", "ind')
    again = BankFile(path, RECIPE)
    assert ("q", 0) in again and ("q", 1) not in again
    again.put(sample("q", 1, "1"))
    again.close()
    assert [s.index for s in Bank.read(path).drawn("q")] == [0, 1]


def test_what_is_held_is_what_is_on_disk(tmp_path: Path):
    """The last line is whole, but for its newline: it is cut off, and so it is drawn again."""
    path = tmp_path / "bank.jsonl"
    file = BankFile(path, RECIPE)
    file.put(sample("q", 0, "1"))
    file.put(sample("q", 1, "1"))
    file.close()
    path.write_bytes(path.read_bytes()[:-1])
    again = BankFile(path, RECIPE)
    assert ("q", 0) in again and ("q", 1) not in again
    again.put(sample("q", 1, "2"))
    again.close()
    assert "2" in Bank.read(path).drawn("q")[1].text


@pytest.mark.parametrize("length", [0, 1, 8, 20, -1])
def test_a_header_that_was_torn_is_written_anew(length: int, tmp_path: Path):
    path = tmp_path / "bank.jsonl"
    BankFile(path, RECIPE).close()
    whole = path.read_bytes()
    path.write_bytes(whole[:length])
    BankFile(path, RECIPE).close()
    assert path.read_bytes() == whole


@pytest.mark.parametrize("content", ["What is this?", '{"question": "1 + 1"}'])
def test_a_file_that_never_was_a_bank_is_left_alone(content: str, tmp_path: Path):
    path = tmp_path / "notes.txt"
    path.write_text(content)
    with pytest.raises(BadBank, match="no bank"):
        BankFile(path, RECIPE)
    assert path.read_text() == content


def test_a_bank_that_does_not_say_what_was_asked_is_read(tmp_path: Path):
    path = tmp_path / "bank.jsonl"
    file = BankFile(path, RECIPE)
    file.put(sample("q", 0, "1"))
    file.close()
    path.write_text(path.read_text().replace(',"asked":""', ""))
    assert '"asked"' not in path.read_text() and Bank.read(path).drawn("q")[0].asked == ""


def test_a_bank_that_cannot_be_written_is_a_line(tmp_path: Path):
    (tmp_path / "file").touch()
    with pytest.raises(BadBank, match="cannot write"):
        BankFile(tmp_path / "file" / "bank.jsonl", RECIPE)


def test_a_bank_of_another_recipe_is_left_alone(tmp_path: Path):
    path = tmp_path / "bank.jsonl"
    BankFile(path, RECIPE).close()
    before = path.read_bytes()
    with pytest.raises(BadBank, match="made otherwise"):
        BankFile(path, replace(RECIPE, temperature=1.0))
    assert path.read_bytes() == before


@pytest.mark.parametrize("content", ["", "{}\n", "no json\n", '{"bank": {"task": "x"}}\n'])
def test_what_is_no_bank_is_said_to_be_none(tmp_path: Path, content: str):
    path = tmp_path / "bank.jsonl"
    path.write_text(content)
    with pytest.raises(BadBank, match="no bank"):
        Bank.read(path)


def test_a_missing_bank(tmp_path: Path):
    with pytest.raises(BadBank, match="cannot read"):
        Bank.read(tmp_path / "none.jsonl")
