"""The table of replies: what a person reads as the answer of each, or that there is none."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from cogitate.strategies.answers import canonical, extract

TABLE = Path(__file__).with_name("replies.jsonl")
ROWS: list[dict[str, Any]] = [json.loads(line) for line in TABLE.read_text(encoding="utf-8").splitlines()]
MIN_ROWS, MIN_ROWS_OF_A_KIND = 450, 15


@pytest.mark.parametrize("row", ROWS, ids=[f"{row['kind']}-{number}" for number, row in enumerate(ROWS, 1)])
def test_answer_is_what_a_person_reads(row: dict[str, Any]) -> None:
    answer = extract(row["reply"], row["format"], row["question"])
    expected = row["answer"]
    if expected is None:
        assert answer is None
    else:
        assert answer is not None
        assert answer.key in (expected, canonical(expected, row["format"]), canonical(expected))


def test_every_kind_has_many_replies() -> None:
    kinds = Counter(row["kind"] for row in ROWS)
    assert len(ROWS) >= MIN_ROWS and min(kinds.values()) >= MIN_ROWS_OF_A_KIND, kinds
