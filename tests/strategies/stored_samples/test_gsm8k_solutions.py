"""Extraction held against the verdicts that came with 5,276 stored model solutions (openai/grade-school-math)."""

import json
from pathlib import Path

import pytest

from cogitate.strategies.answers import AnswerFormat, extract

MODELS = ("6b_finetuning", "6b_verification", "175b_finetuning", "175b_verification")


def rows() -> list[dict[str, object]]:
    root = Path(__file__).resolve().parents[3]
    places = [folder / "shared" / "data" / "gsm8k_example_solutions.jsonl" for folder in (root.parent, root)]
    found = next((place for place in places if place.is_file()), None)
    if found is None:
        pytest.skip(f"stored samples not found: looked for {' and '.join(map(str, places))}")
    return [json.loads(line) for line in found.read_text(encoding="utf-8").splitlines()]


@pytest.mark.parametrize("format", ["number", "auto"])
def test_extraction_agrees_with_the_stored_verdicts(format: AnswerFormat) -> None:
    agreed = total = abstained = 0
    for row in rows():
        question = str(row["question"])
        truth = extract(str(row["ground_truth"]), format, question)
        assert truth is not None
        for model in MODELS:
            stored = row[model]
            assert isinstance(stored, dict)
            answer = extract(stored["solution"], format, question)
            agreed += (answer is not None and answer.key == truth.key) == stored["is_correct"]
            abstained += answer is None
            total += 1
    print(f"{format}: {agreed} of {total} verdicts agree ({agreed / total:.2%}), {abstained} abstentions")
    assert total == 5_276
    assert agreed >= 0.995 * total
