"""Baselines of a live run: taken from one response that lists its samples."""

import itertools
import json
import re
from pathlib import Path

import pytest

from cogitate.server.cli import main
from cogitate.strategies.core.prompt import Prompt
from cogitate.strategies.core.scripted import ScriptedEngine
from cogitate.strategies.core.types import Sampling
from tests.fakes.live_server import live

ROW = {"question": "What is 6*7?", "answer": "42"}
PLAIN_VOTE = "self_consistency:n=4,stop_rule=none"


@pytest.fixture
def task(tmp_path: Path) -> Path:
    path = tmp_path / "sums.jsonl"
    path.write_text(json.dumps(ROW) + "\n")
    return path


def engine() -> ScriptedEngine:
    """Return an engine whose greedy answer is wrong, and every second sample."""
    answers = itertools.cycle(["\\boxed{42}", "so it is \\boxed{41}"])

    def respond(prompt: Prompt, sampling: Sampling) -> str:
        return next(answers) if sampling.temperature else "\\boxed{0}"

    return ScriptedEngine(respond)


def read_results(out: Path) -> list[tuple[str, int, bool, int]]:
    lines = out.with_name(f"{out.name}-results.jsonl").read_text().splitlines()
    return [(r["arm"], r["repeat"], r["correct"], r["tokens"]) for r in map(json.loads, lines)]


def test_samples_of_the_majority_vote_are_rows_at_no_extra_cost(
    task: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    out = tmp_path / "out"
    with live(engine()) as server:
        command = ["eval", str(task), "--server", server.url, "--out", str(out), "--strategy", PLAIN_VOTE]
        main([*command, "--in-flight", "1"])
        assert len(server.engine.calls) == 1 + 4, (
            "the majority vote is a strategy of this run too, and is requested once"
        )
        main(command)
        assert len(server.engine.calls) == 1 + 4
    greedy, vote, *samples, oracle = read_results(out)
    short, long = 2, 5
    assert (greedy, vote[0]) == (("greedy", 0, False, 2), PLAIN_VOTE)
    assert [row[:2] for row in samples] == [("one sample", at) for at in range(4)]
    assert sorted(row[2:] for row in samples) == 2 * [(False, long)] + 2 * [(True, short)]
    assert oracle == ("oracle pass@4", 0, True, 2 * short + 2 * long) and oracle[3] == vote[3]
    table = capsys.readouterr().out.partition("The easier half")[0]
    shares = re.findall(r"^\| `(.*?)` \| ([\d.]+)", table, re.M)
    assert shares[:3] == [("greedy", "0.0"), ("one sample", "50.0"), ("oracle pass@4", "100.0")]


def test_incomplete_results_of_a_question_are_measured_again(task: Path, tmp_path: Path):
    out = tmp_path / "out"
    with live(engine()) as server:
        command = ["eval", str(task), "--server", server.url, "--out", str(out), "--beside", "4"]
        main([*command, "--in-flight", "1"])
        file = out.with_name("out-results.jsonl")
        file.write_bytes(file.read_bytes()[:-9])
        main(command)
        assert len(server.engine.calls) == 1 + 4 + 4
    assert read_results(out)[-1][0] == "oracle pass@4"


@pytest.mark.parametrize(
    ("flags", "n"),
    [
        (["--strategy", "chain_of_thought"], 8),
        (["--strategy", "best_of_n:n=2,verifier=number", "--strategy", "self_consistency:n=3"], 3),
        (["--beside", "2", "--strategy", "self_consistency:n=3"], 2),
    ],
)
def test_sample_count_defaults_to_the_largest_n(
    flags: list[str], n: int, task: Path, capsys: pytest.CaptureFixture[str]
):
    with live(engine()) as server:
        main(["eval", str(task), "--server", server.url, *flags])
    assert f"| `oracle pass@{n}` | 100.0 |" in capsys.readouterr().out


def test_zero_samples_leave_greedy_as_the_only_baseline(task: Path, capsys: pytest.CaptureFixture[str]):
    with live(engine()) as server:
        main(["eval", str(task), "--server", server.url, "--beside", "0", "--strategy", PLAIN_VOTE])
    table = capsys.readouterr().out
    assert re.findall(r"^\| `(.*?)`", table, re.M) == ["greedy", PLAIN_VOTE] and "easier" not in table
