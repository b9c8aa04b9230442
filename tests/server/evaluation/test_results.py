"""Results are kept, and told apart by how they were made."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from cogitate.server.evaluation import provenance
from cogitate.server.evaluation.comparison import Comparison, NoSuchRow, baseline
from cogitate.server.evaluation.live_request import Asking
from cogitate.server.evaluation.question import Question
from cogitate.server.evaluation.results import BadResults, Result, Results
from tests.fakes.banks import RECIPE, question, sample

ONE = Result(arm="greedy", question="q", correct=True, answer="1", tokens=3)
ASKING = Asking(model="m", max_tokens=9)


def test_what_was_made_otherwise_stays_and_is_not_known(tmp_path: Path):
    path = tmp_path / "kept" / "results.jsonl"
    Results(path).put("this", ONE, replace(ONE, arm="vote"))
    known = Results(path)
    known.put("that", replace(ONE, correct=False))
    again = Results(path)
    assert ("greedy", "q", 0, "this") in again and ("vote", "q", 0, "that") not in again
    keys = [("vote", "q", 0, "that"), ("greedy", "q", 0, "that"), ("best", "q", 0, "that")]
    assert [(r.arm, r.correct, r.made) for r in again.of(keys)] == [("greedy", False, "that")]
    assert again.made_otherwise(keys) == 2 and len(path.read_text().splitlines()) == 3


def test_results_of_before_are_of_no_making(tmp_path: Path):
    path = tmp_path / "results.jsonl"
    path.write_text('{"arm": "greedy", "question": "q", "correct": true, "answer": "1", "tokens": 3}\n{"arm": "gr')
    known = Results(path)
    assert known.of([("greedy", "q", 0, "")]) == [ONE] and known.made_otherwise([("greedy", "q", 0, "this")]) == 1
    assert path.read_text().endswith("}\n")


@pytest.mark.parametrize("content", ["{}\n", "no json\n", '{"arm": "greedy", "magic": 1}\n'])
def test_what_holds_no_results_is_left_alone(content: str, tmp_path: Path):
    path = tmp_path / "results.jsonl"
    path.write_text(content)
    with pytest.raises(BadResults, match="holds no results"):
        Results(path)
    assert path.read_text() == content


@pytest.mark.parametrize(
    "more",
    [{"model": "n"}, {"max_tokens": 8}, {"instruction": ""}, {"temperature": 0.7}, {"top_p": 1.0}, {"seed": 1}],
)
def test_each_thing_that_a_server_is_told_makes_another_answer(more: dict[str, object]):
    assert provenance.live(replace(ASKING, **more), question()) != provenance.live(ASKING, question())


@pytest.mark.parametrize(
    "more",
    [{"text": "What is 1 + 1?"}, {"gold": "2"}, {"entry": {"test": "assert f() == 1"}}, {"shots": (("a", "b"),)}],
)
def test_so_does_each_thing_about_a_question(more: dict[str, object]):
    other: Question = replace(question(), **more)
    assert provenance.live(ASKING, other) != provenance.live(ASKING, question())
    replays = [provenance.replayed(RECIPE, [sample("q", 0, "1")], each) for each in (question(), other)]
    assert (replays[0] == replays[1]) == ("shots" in more), "a bank has shots of its own"


def test_a_replay_is_made_of_its_samples():
    samples = [sample("q", 0, "1"), sample("q", 1, "2")]
    made = {
        provenance.replayed(RECIPE, samples, question()),
        provenance.replayed(RECIPE, samples[:1], question()),
        provenance.replayed(RECIPE, [samples[0], replace(samples[1], text="3")], question()),
        provenance.replayed(replace(RECIPE, temperature=1.0), samples, question()),
    }
    assert len(made) == 4 and provenance.replayed(RECIPE, list(samples), question()) in made


def test_a_run_shows_its_own_rows_in_their_order():
    run = Comparison(rows={"greedy": 1, "vote": 2}, made={"p": "x", "q": "y"}, baseline="greedy")
    assert [key[:3] for key in run.wanted()] == [
        ("greedy", "p", 0),
        ("greedy", "q", 0),
        *(("vote", "p", at) for at in range(2)),
        *(("vote", "q", at) for at in range(2)),
    ]
    assert json.dumps(run.of("vote", "q")) == '[["vote", "q", 0, "y"], ["vote", "q", 1, "y"]]'


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
def test_a_baseline_is_a_row_however_it_is_written(written: str | None, named: str):
    rows = ["greedy", "one sample", "oracle pass@8", "self_consistency:stop_rule=none", "best_of_n"]
    assert baseline(written, rows) == named and baseline(None, rows[1:]) == "one sample"


@pytest.mark.parametrize("written", ["", "magic", "oracle pass@9", "self_consistency", "best_of_n:n=0"])
def test_a_baseline_that_is_no_row_is_told_the_rows(written: str):
    with pytest.raises(NoSuchRow, match=r"is no row of this run; there are: greedy, best_of_n$"):
        baseline(written, ["greedy", "best_of_n"])
