"""The results file, digests, and the rows of a comparison."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from cogitate.server.evaluation.comparison import Comparison, UnknownRow, resolve_baseline
from cogitate.server.evaluation.live_request import RequestSettings
from cogitate.server.evaluation.provenance import live_digest, replay_digest
from cogitate.server.evaluation.question import Question
from cogitate.server.evaluation.results import BadResults, Result, Results
from tests.fakes.banks import RECIPE, question, sample

ONE = Result(arm="greedy", question="q", correct=True, answer="1", tokens=3)
SETTINGS = RequestSettings(model="m", max_tokens=9)


def test_results_of_another_digest_stay_in_the_file_but_are_not_known(tmp_path: Path):
    path = tmp_path / "folder" / "results.jsonl"
    Results(path).add("this", ONE, replace(ONE, arm="vote"))
    known = Results(path)
    known.add("that", replace(ONE, correct=False))
    again = Results(path)
    assert ("greedy", "q", 0, "this") in again and ("vote", "q", 0, "that") not in again
    keys = [("vote", "q", 0, "that"), ("greedy", "q", 0, "that"), ("best", "q", 0, "that")]
    assert [(r.arm, r.correct, r.made) for r in again.select(keys)] == [("greedy", False, "that")]
    assert again.count_stale(keys) == 2 and len(path.read_text().splitlines()) == 3


def test_results_without_a_digest_are_read_and_a_torn_line_is_dropped(tmp_path: Path):
    path = tmp_path / "results.jsonl"
    path.write_text('{"arm": "greedy", "question": "q", "correct": true, "answer": "1", "tokens": 3}\n{"arm": "gr')
    known = Results(path)
    assert known.select([("greedy", "q", 0, "")]) == [ONE] and known.count_stale([("greedy", "q", 0, "this")]) == 1
    assert path.read_text().endswith("}\n")


@pytest.mark.parametrize("content", ["{}\n", "no json\n", '{"arm": "greedy", "magic": 1}\n'])
def test_other_file_is_rejected_and_left_unchanged(content: str, tmp_path: Path):
    path = tmp_path / "results.jsonl"
    path.write_text(content)
    with pytest.raises(BadResults, match="is not a results file"):
        Results(path)
    assert path.read_text() == content


@pytest.mark.parametrize(
    "more",
    [{"model": "n"}, {"max_tokens": 8}, {"instruction": ""}, {"temperature": 0.7}, {"top_p": 1.0}, {"seed": 1}],
)
def test_live_digest_depends_on_each_setting(more: dict[str, object]):
    assert live_digest(replace(SETTINGS, **more), question()) != live_digest(SETTINGS, question())


@pytest.mark.parametrize(
    "more",
    [{"text": "What is 1 + 1?"}, {"gold": "2"}, {"entry": {"test": "assert f() == 1"}}, {"shots": (("a", "b"),)}],
)
def test_digests_depend_on_the_questions_text_reference_and_tests(more: dict[str, object]):
    other: Question = replace(question(), **more)
    assert live_digest(SETTINGS, other) != live_digest(SETTINGS, question())
    replays = [replay_digest(RECIPE, [sample("q", 0, "1")], each) for each in (question(), other)]
    assert (replays[0] == replays[1]) == ("shots" in more), "the shots of a replay are in its recipe"


def test_replay_digest_depends_on_samples_and_recipe():
    samples = [sample("q", 0, "1"), sample("q", 1, "2")]
    made = {
        replay_digest(RECIPE, samples, question()),
        replay_digest(RECIPE, samples[:1], question()),
        replay_digest(RECIPE, [samples[0], replace(samples[1], text="3")], question()),
        replay_digest(replace(RECIPE, temperature=1.0), samples, question()),
    }
    assert len(made) == 4 and replay_digest(RECIPE, list(samples), question()) in made


def test_comparison_yields_keys_row_by_row():
    run = Comparison(rows={"greedy": 1, "vote": 2}, digests={"p": "x", "q": "y"}, baseline="greedy")
    assert [key[:3] for key in run.result_keys()] == [
        ("greedy", "p", 0),
        ("greedy", "q", 0),
        *(("vote", "p", at) for at in range(2)),
        *(("vote", "q", at) for at in range(2)),
    ]
    assert json.dumps(run.keys_of("vote", "q")) == '[["vote", "q", 0, "y"], ["vote", "q", 1, "y"]]'


@pytest.mark.parametrize(
    ("written", "named"),
    [
        (None, "greedy"),
        ("greedy", "greedy"),
        ("one sample", "one sample"),
        ("oracle pass@8", "oracle pass@8"),
        ("self_consistency:n=8,stop_rule=none", "self_consistency:stop_rule=none"),
        ('{"name": "best_of_n", "n": 8}', "best_of_n"),
    ],
)
def test_baseline_is_found_in_any_notation(written: str | None, named: str):
    rows = ["greedy", "one sample", "oracle pass@8", "self_consistency:stop_rule=none", "best_of_n"]
    assert resolve_baseline(written, rows) == named and resolve_baseline(None, rows[1:]) == "one sample"


@pytest.mark.parametrize("written", ["", "magic", "oracle pass@9", "self_consistency", "best_of_n:n=0"])
def test_unknown_baseline_raises_and_lists_the_rows(written: str):
    with pytest.raises(UnknownRow, match=r"is no row of this run; the rows are: greedy, best_of_n$"):
        resolve_baseline(written, ["greedy", "best_of_n"])
