"""Votes over 100 stored MATH problems x 8 samples with the rewards of a 72B model: known figures must come out."""

import json
import math
from pathlib import Path
from typing import Any

import pytest

from cogitate.strategies.answers import Answer, canonical, extract
from cogitate.strategies.core.prompt import Prompt
from cogitate.strategies.core.types import Completion, Outcome
from cogitate.strategies.voting.ballot import Ballot, ranking, score_of

Sample = tuple[Outcome, bool]


def rows() -> list[dict[str, Any]]:
    root = Path(__file__).resolve().parents[3]
    places = [folder / "shared" / "data" / "math_100x8_scored.jsonl" for folder in (root.parent, root)]
    found = next((place for place in places if place.is_file()), None)
    if found is None:
        pytest.skip(f"stored samples not found: looked for {' and '.join(map(str, places))}")
    return [json.loads(line) for line in found.read_text(encoding="utf-8").splitlines()]


def samples(row: dict[str, Any]) -> list[Sample]:
    """Each stored sample as an outcome and its verdict; the raw reward, which may be negative, through a sigmoid."""
    stored = zip(row["code"], row["pred"], row["score"], row["pred_score"], strict=True)
    return [
        (
            Outcome(
                Completion(prompt=Prompt(()), text=code, finish="stop", index=index),
                Answer(pred, canonical(pred), "boxed"),
                1 / (1 + math.exp(-reward)),
            ),
            correct,
        )
        for index, (code, pred, correct, [reward]) in enumerate(stored)
    ]


def verdict(chosen: Outcome, candidates: list[Sample]) -> bool:
    return next(correct for outcome, correct in candidates if outcome.completion is chosen.completion)


def test_vote_accuracy_equals_the_recorded_figures() -> None:
    problems = [samples(row) for row in rows()]
    outcomes = [[outcome for outcome, _ in problem] for problem in problems]
    figures = {
        "mean": sum(correct for problem in problems for _, correct in problem) / 8,
        "majority@8": sum(
            verdict(Ballot.of(o).rank_blocs()[0].members[0], p) for o, p in zip(outcomes, problems, strict=True)
        ),
        "best-of-8": sum(verdict(ranking(o), p) for o, p in zip(outcomes, problems, strict=True)),
        "weighted@8": sum(
            verdict(Ballot.of(o).rank_blocs(score_of)[0].members[0], p) for o, p in zip(outcomes, problems, strict=True)
        ),
        "pass@8": sum(any(correct for _, correct in problem) for problem in problems),
    }
    print(figures)
    assert figures == {"mean": 91.0, "majority@8": 93, "best-of-8": 94, "weighted@8": 94, "pass@8": 96}


def test_samples_with_one_key_share_one_verdict() -> None:
    for row in rows():
        verdicts: dict[str, set[bool]] = {}
        for outcome, correct in samples(row):
            assert outcome.answer is not None
            verdicts.setdefault(outcome.answer.key, set()).add(correct)
        assert all(len(found) == 1 for found in verdicts.values()), (row["idx"], verdicts)


def test_extraction_agrees_with_the_stored_answers() -> None:
    pairs = [
        (extract(code, question=row["question"]), canonical(pred))
        for row in rows()
        for code, pred in zip(row["code"], row["pred"], strict=True)
    ]
    agreed = sum(answer is not None and answer.key == stored for answer, stored in pairs)
    rest = {(answer.raw if answer else None, stored) for answer, stored in pairs if not answer or answer.key != stored}
    print(f"{agreed} of {len(pairs)} extracted keys equal the stored ones; the rest: {rest}")
    assert agreed == 792
    # The bank dropped "p.m." from the answer; two times of day twelve hours apart must not be one vote.
    assert rest == {(r"4:30 \text{ p.m.}", "4:30")}
