"""The file of a sample bank: growing, torn and resumed."""

from dataclasses import replace
from pathlib import Path

import pytest

from cogitate.server.evaluation.sample import GREEDY_INDEX
from cogitate.server.evaluation.sample_bank import BadBank, Bank, BankFile
from tests.fakes.banks import RECIPE, sample


def test_samples_are_read_back_by_index(tmp_path: Path):
    file = BankFile(tmp_path / "bank.jsonl", RECIPE)
    for index in (GREEDY_INDEX, 1, 0):
        file.add(sample("q", index, str(index)))
    file.close()
    bank = Bank.read(tmp_path / "bank.jsonl")
    assert bank.recipe == RECIPE
    assert [s.index for s in bank.non_greedy("q")] == [0, 1]
    assert [s.index for s in bank.samples_of("q")] == [GREEDY_INDEX, 0, 1] and bank.samples_of("r") == []


def test_torn_line_is_dropped_and_the_file_is_continued(tmp_path: Path):
    path = tmp_path / "bank.jsonl"
    file = BankFile(path, RECIPE)
    file.add(sample("q", 0, "1"))
    file.close()
    with path.open("ab") as crash:
        crash.write(b'{"question": "q", "ind')
    again = BankFile(path, RECIPE)
    assert ("q", 0) in again and ("q", 1) not in again
    again.add(sample("q", 1, "1"))
    again.close()
    assert [s.index for s in Bank.read(path).non_greedy("q")] == [0, 1]


def test_last_line_without_newline_is_drawn_again(tmp_path: Path):
    """The last line is complete except for its newline, which cannot be told from a torn line."""
    path = tmp_path / "bank.jsonl"
    file = BankFile(path, RECIPE)
    file.add(sample("q", 0, "1"))
    file.add(sample("q", 1, "1"))
    file.close()
    path.write_bytes(path.read_bytes()[:-1])
    again = BankFile(path, RECIPE)
    assert ("q", 0) in again and ("q", 1) not in again
    again.add(sample("q", 1, "2"))
    again.close()
    assert "2" in Bank.read(path).non_greedy("q")[1].text


@pytest.mark.parametrize("length", [0, 1, 8, 20, -1])
def test_torn_recipe_line_is_rewritten(length: int, tmp_path: Path):
    path = tmp_path / "bank.jsonl"
    BankFile(path, RECIPE).close()
    content = path.read_bytes()
    path.write_bytes(content[:length])
    BankFile(path, RECIPE).close()
    assert path.read_bytes() == content


@pytest.mark.parametrize("content", ["What is this?", '{"question": "1 + 1"}'])
def test_other_file_is_rejected_and_left_unchanged(content: str, tmp_path: Path):
    path = tmp_path / "notes.txt"
    path.write_text(content)
    with pytest.raises(BadBank, match="is not a sample bank"):
        BankFile(path, RECIPE)
    assert path.read_text() == content


def test_bank_of_the_earlier_format_is_read(tmp_path: Path):
    path = tmp_path / "bank.jsonl"
    file = BankFile(path, RECIPE)
    file.add(sample("q", 0, "1"))
    file.close()
    path.write_text(path.read_text().replace(',"asked":""', ""))
    assert '"asked"' not in path.read_text() and Bank.read(path).non_greedy("q")[0].asked == ""


def test_unwritable_path_raises_bad_bank(tmp_path: Path):
    (tmp_path / "file").touch()
    with pytest.raises(BadBank, match="cannot write"):
        BankFile(tmp_path / "file" / "bank.jsonl", RECIPE)


def test_bank_of_another_recipe_is_rejected_and_left_unchanged(tmp_path: Path):
    path = tmp_path / "bank.jsonl"
    BankFile(path, RECIPE).close()
    before = path.read_bytes()
    with pytest.raises(BadBank, match="samples of another recipe"):
        BankFile(path, replace(RECIPE, temperature=1.0))
    assert path.read_bytes() == before


@pytest.mark.parametrize("content", ["", "{}\n", "no json\n", '{"bank": {"task": "x"}}\n'])
def test_reading_another_file_raises_bad_bank(tmp_path: Path, content: str):
    path = tmp_path / "bank.jsonl"
    path.write_text(content)
    with pytest.raises(BadBank, match="is not a sample bank"):
        Bank.read(path)


def test_reading_a_missing_file_raises_bad_bank(tmp_path: Path):
    with pytest.raises(BadBank, match="cannot read"):
        Bank.read(tmp_path / "none.jsonl")
