"""A bank grows, is torn, and goes on."""

from dataclasses import replace
from pathlib import Path

import pytest

from server.evaluation.bank import GREEDY, BadBank, Bank, BankFile
from tests.evaluation.banks import RECIPE, sample


def test_what_is_put_is_read(tmp_path: Path):
    file = BankFile(tmp_path / "bank.jsonl", RECIPE)
    for index in (GREEDY, 1, 0):
        file.put(sample("q", index, str(index)))
    file.close()
    bank = Bank.read(tmp_path / "bank.jsonl")
    assert bank.recipe == RECIPE
    assert [s.index for s in bank.drawn("q")] == [0, 1]
    assert bank.full(["q", "r"], 2) == ["q"] and not bank.full(["q"], 3)


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
