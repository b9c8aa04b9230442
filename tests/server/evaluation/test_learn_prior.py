"""Priors on votes: learned from a bank, written, and replayed with."""

import json
import random
from pathlib import Path

import pytest

from cogitate.server.cli import main
from cogitate.server.config.vote_priors import read_vote_priors
from cogitate.server.evaluation.learn_prior import TooFewVotes, count_votes, learn_prior
from cogitate.strategies.core.scripted import ScriptedEngine
from tests.fakes.banks import bank_of, question
from tests.fakes.live_server import live


def draw_votes(shape, questions, votes, rng):
    """Votes of questions whose shares have a Dirichlet distribution of this shape."""
    counts = []
    for _ in range(questions):
        gammas = [rng.gammavariate(weight, 1) for weight in shape]
        drawn = rng.choices(range(3), [gamma / sum(gammas) for gamma in gammas], k=votes)
        counts.append(tuple(drawn.count(kind) for kind in range(3)))
    return counts


@pytest.mark.parametrize("shape", [(5.0, 1.0, 0.5), (20.0, 0.3, 0.2), (2.0, 1.5, 3.0)])
def test_learned_shape_is_that_of_the_questions(shape):
    learned = learn_prior(draw_votes(shape, 800, 40, random.Random(1)))
    found = (learned.majority, learned.second, learned.others)
    whole, expected = sum(found), sum(shape)
    assert whole == pytest.approx(expected, rel=0.25)
    assert [part / whole for part in found] == pytest.approx([part / expected for part in shape], abs=0.02)


def test_unanimous_votes_have_a_shape_too():
    learned = learn_prior([(16, 0, 0)] * 20)
    assert learned.majority / (learned.majority + learned.second) > 0.99 and learned.questions == 20


def test_few_questions_teach_nothing():
    with pytest.raises(TooFewVotes, match="needs the votes of 10 questions or more; the bank has 9"):
        learn_prior([(4, 0, 0)] * 9 + [(0, 0, 0)] * 20)


def test_votes_are_counted_by_canonical_answer_without_abstentions():
    assert count_votes(question(), bank_of(["1", "1.0", "2", None, "3", "1"])) == (3, 1, 1)
    assert count_votes(question(), bank_of([None, None])) == (0, 0, 0)


def test_prior_is_written_by_a_replay_and_read_by_the_next(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    task, bank, priors = tmp_path / "sums.jsonl", tmp_path / "bank.jsonl", tmp_path / "priors.json"
    task.write_text("".join(json.dumps({"question": f"{n} + 1?", "answer": str(n + 1)}) + "\n" for n in range(12)))
    answers = ["\\boxed{1}"] * 40 + ["\\boxed{2}"]
    with live(ScriptedEngine(answers)) as server:
        main(["eval", str(task), "--server", server.url, "--bank", str(bank), "--fill", "8", "--in-flight", "1"])
    replay = ["eval", str(task), "--bank", str(bank), "--strategy", "self_consistency:concurrency=1,n=8"]
    main([*replay, "--prior-out", str(priors)])
    uniform = capsys.readouterr()
    assert "has the prior of scripted, from the votes on 12 questions" in uniform.err
    assert read_vote_priors(priors)["scripted"].majority > 1
    main([*replay, "--vote-priors", str(priors)])
    row = "| `self_consistency:concurrency=1` |"
    tokens = [
        float(next(line for line in text.splitlines() if line.startswith(row)).split("|")[5])
        for text in (uniform.out, capsys.readouterr().out)
    ]
    assert tokens[1] < tokens[0]


def test_name_without_a_prior_and_a_live_run_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    with pytest.raises(SystemExit):
        main(["eval", "sums", "--server", "http://127.0.0.1:9", "--prior-out", str(tmp_path / "priors.json")])
    assert "apply to the votes of a bank: add --bank FILE" in capsys.readouterr().err
