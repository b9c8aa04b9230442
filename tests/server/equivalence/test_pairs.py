"""A table of pairs of answers with the right verdict, through the path of a vote: keys, types and the real prover."""

import json
from collections import Counter
from pathlib import Path

import pytest

from cogitate.server.equivalence.pool import EquivalencePool
from cogitate.strategies.answers import canonical
from cogitate.strategies.core.equivalence import are_equal

pytestmark = [pytest.mark.slow, pytest.mark.alone]

TABLE = Path(__file__).resolve().parents[2] / "strategies" / "answers" / "pairs.jsonl"
MAX_MISSED_SHARE = 0.02


def read_pairs() -> list[dict[str, str]]:
    return [json.loads(line) for line in TABLE.read_text(encoding="utf-8").splitlines()]


async def test_no_different_answers_are_merged_and_few_equal_ones_are_missed() -> None:
    pool = EquivalencePool(seconds=10)
    counts: Counter[tuple[str, bool]] = Counter()
    wrong, missed = [], []
    try:
        for pair in read_pairs():
            a, b = canonical(pair["a"]), canonical(pair["b"])
            verdict = await are_equal(a, b, pool)
            assert verdict == await are_equal(b, a, pool), pair
            counts[pair["verdict"], verdict] += 1
            if pair["verdict"] == "different" and verdict:
                wrong.append((pair["a"], pair["b"]))
            elif pair["verdict"] == "equal" and not verdict:
                missed.append((pair["a"], pair["b"]))
    finally:
        await pool.close()
    equal = sum(number for (verdict, _), number in counts.items() if verdict == "equal")
    print(f"{counts.total()} pairs: {len(wrong)} merged wrongly, {len(missed)} of {equal} equal ones missed: {missed}")
    assert counts.total() >= 400
    assert not wrong
    assert len(missed) <= MAX_MISSED_SHARE * equal, missed


def test_table_has_all_types_and_no_pair_twice() -> None:
    pairs = read_pairs()
    assert len({(pair["a"], pair["b"]) for pair in pairs}) == len(pairs)
    assert {"number", "unit", "percentage", "date", "clock", "range", "score", "version", "phone", "list", "set"} | {
        "tuple",
        "interval",
        "matrix",
        "equation",
        "inequality",
        "expression",
        "letter",
        "word",
        "json",
        "base",
    } <= {pair["type"] for pair in pairs}
    assert {"math", "gsm8k", "gpqa", "aime", "olympiad", "reasoning-gym", "program"} <= {
        pair["notation"] for pair in pairs
    }
