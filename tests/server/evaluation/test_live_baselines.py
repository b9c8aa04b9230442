"""Live: the mean sample, the vote of all and the oracle, out of one answer that tells its samples."""

import itertools
import json
import re
from pathlib import Path

import pytest

from cogitate.server.cli import main
from cogitate.strategies.core.types import Prompt, Sampling
from tests.fakes.live_server import live
from tests.fakes.scripted import ScriptedEngine

ROW = {"question": "What is 6*7?", "answer": "42"}
PLAIN_VOTE = "self_consistency:n=4,stop_rule=none"


@pytest.fixture
def task(tmp_path: Path) -> Path:
    path = tmp_path / "sums.jsonl"
    path.write_text(json.dumps(ROW) + "\n")
    return path


def engine() -> ScriptedEngine:
    """Greedy is wrong, and so is every other sample."""
    said = itertools.cycle(["\\boxed{42}", "so it is \\boxed{41}"])

    def answering(prompt: Prompt, sampling: Sampling) -> str:
        return next(said) if sampling.temperature else "\\boxed{0}"

    return ScriptedEngine(answering)


def kept(out: Path) -> list[tuple[str, int, bool, int]]:
    lines = out.with_name(f"{out.name}-results.jsonl").read_text().splitlines()
    return [(r["arm"], r["repeat"], r["correct"], r["tokens"]) for r in map(json.loads, lines)]


def test_its_samples_are_rows_and_cost_nothing_more(task: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    out = tmp_path / "out"
    with live(engine()) as server:
        asked = ["eval", str(task), "--server", server.url, "--out", str(out), "--strategy", PLAIN_VOTE]
        main([*asked, "--in-flight", "1"])
        assert len(server.engine.calls) == 1 + 4, "the vote was asked for, and is asked once"
        main(asked)
        assert len(server.engine.calls) == 1 + 4
    greedy, vote, *samples, oracle = kept(out)
    short, long = 2, 5
    assert (greedy, vote[0]) == (("greedy", 0, False, 2), PLAIN_VOTE)
    assert [row[:2] for row in samples] == [("one sample", at) for at in range(4)]
    assert sorted(row[2:] for row in samples) == 2 * [(False, long)] + 2 * [(True, short)]
    assert oracle == ("oracle pass@4", 0, True, 2 * short + 2 * long) and oracle[3] == vote[3]
    table = capsys.readouterr().out.partition("The easier half")[0]
    shares = re.findall(r"^\| `(.*?)` \| ([\d.]+)", table, re.M)
    assert shares[:3] == [("greedy", "0.0"), ("one sample", "50.0"), ("oracle pass@4", "100.0")]


def test_what_was_torn_amid_a_questions_rows_is_asked_again(task: Path, tmp_path: Path):
    out = tmp_path / "out"
    with live(engine()) as server:
        asked = ["eval", str(task), "--server", server.url, "--out", str(out), "--beside", "4"]
        main([*asked, "--in-flight", "1"])
        file = out.with_name("out-results.jsonl")
        file.write_bytes(file.read_bytes()[:-9])
        main(asked)
        assert len(server.engine.calls) == 1 + 4 + 4
    assert kept(out)[-1][0] == "oracle pass@4"


@pytest.mark.parametrize(
    ("flags", "n"),
    [
        (["--strategy", "chain_of_thought"], 8),
        (["--strategy", "best_of_n:n=2,verifier=number", "--strategy", "self_consistency:n=3"], 3),
        (["--beside", "2", "--strategy", "self_consistency:n=3"], 2),
    ],
)
def test_as_many_stand_beside_as_the_largest_takes(
    flags: list[str], n: int, task: Path, capsys: pytest.CaptureFixture[str]
):
    with live(engine()) as server:
        main(["eval", str(task), "--server", server.url, *flags])
    assert f"| `oracle pass@{n}` | 100.0 |" in capsys.readouterr().out


def test_greedy_stands_alone_where_nothing_else_is_wanted(task: Path, capsys: pytest.CaptureFixture[str]):
    with live(engine()) as server:
        main(["eval", str(task), "--server", server.url, "--beside", "0", "--strategy", PLAIN_VOTE])
    table = capsys.readouterr().out
    assert re.findall(r"^\| `(.*?)`", table, re.M) == ["greedy", PLAIN_VOTE] and "easier" not in table
