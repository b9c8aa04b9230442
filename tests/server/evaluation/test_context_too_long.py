"""A question that the model's context does not hold is a wrong answer, and not the end of the run."""

import json
from pathlib import Path

import pytest

from cogitate.server.cli import main
from cogitate.server.engine.context_limit import Overlong
from cogitate.server.errors import BadRequest, ContextTooLong
from cogitate.server.evaluation.arms import arm
from cogitate.server.evaluation.replay import replayed
from cogitate.server.evaluation.sample_bank import Bank
from cogitate.strategies.core.ports import SampleFailed
from cogitate.strategies.core.types import Completion, Prompt, Sampling
from tests.fakes.banks import bank_of, question
from tests.fakes.live_server import live
from tests.fakes.scripted import Reply, ScriptedEngine

ROWS = [{"question": f"What is {n} + 1?", "answer": str(n + 1)} for n in range(2)]
VOTE = "self_consistency:n=2"
STEPS = arm("beam_search:verifier=countdown").strategy


@pytest.fixture
def task(tmp_path: Path) -> Path:
    path = tmp_path / "sums.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in ROWS))
    return path


def engine(refusal: Exception) -> ScriptedEngine:
    def answering(prompt: Prompt, sampling: Sampling) -> Reply:
        n = int(prompt.messages[-1].text.split()[2])
        return f"\\boxed{{{n + 1}}}" if n else refusal

    return ScriptedEngine(answering)


def test_live_it_is_wrong_and_abstains_and_is_in_no_mean_of_costs(
    task: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    out = tmp_path / "out"
    with live(engine(ContextTooLong("The prompt is too long."))) as server:
        asked = ["eval", str(task), "--server", server.url, "--out", str(out), "--strategy", VOTE]
        main(asked)
        made = len(server.engine.calls)
        main(asked)
        assert len(server.engine.calls) == made, "and it is not asked again"
    table = capsys.readouterr().out.partition("The easier half")[0]
    for row, tokens, n in (("greedy", 2, 1), ("one sample", 2, 1), ("oracle pass@2", 4, 2), (VOTE, 4, 2)):
        line = next(line for line in table.splitlines() if line.startswith(f"| `{row}` | 50.0 |"))
        assert f"| {tokens} | 0 | 0 | {n}.0 |" in line and line.endswith("| 50.0 |")
    results = [json.loads(line) for line in out.with_name("out-results.jsonl").read_text().splitlines()]
    assert {(r["tokens"], r["answer"], r["stopped"]) for r in results if r["question"] == "sums:0"} == {
        (0, None, "refused")
    }


def test_any_other_refusal_ends_the_run_and_names_what_was_asked(task: Path, capsys: pytest.CaptureFixture[str]):
    with live(engine(BadRequest("No."))) as server, pytest.raises(SystemExit):
        main(["eval", str(task), "--server", server.url, "--in-flight", "1"])
    said = capsys.readouterr().err
    assert said.startswith("cogitate: greedy, sums:0: 400: ") and said.count("\n") == 1


def test_so_it_does_where_a_bank_is_filled(task: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    fill = ["--bank", str(tmp_path / "bank.jsonl"), "--fill", "1", "--instruction", " Be brief."]
    with live(engine(BadRequest("No."))) as server, pytest.raises(SystemExit):
        main(["eval", str(task), "--server", server.url, *fill])
    said = capsys.readouterr().err
    assert said.splitlines()[-1].startswith("cogitate: sums:0: 400: ")
    assert Bank.read(tmp_path / "bank.jsonl").recipe.instruction == " Be brief."


def test_a_bank_gets_no_samples_of_it(task: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    bank = tmp_path / "bank.jsonl"
    with live(engine(ContextTooLong("The prompt is too long."))) as server:
        main(["eval", str(task), "--server", server.url, "--bank", str(bank), "--fill", "2"])
    assert list(Bank.read(bank).samples) == ["sums:1"]
    assert "1 questions have no samples: the model's context does not hold them" in capsys.readouterr().err
    main(["eval", str(task), "--bank", str(bank)])
    assert "1 of 2 questions left out: the bank has fewer than 2 samples of them\n" in capsys.readouterr().err


class Lacking:
    """A server beside a bank that has one thing to say."""

    def __init__(self, failure: Exception) -> None:
        self.failure = failure

    async def generate(self, prompt: Prompt, sampling: Sampling) -> Completion:
        raise self.failure


def test_replayed_it_is_the_same():
    result = replayed("x", STEPS, question(), bank_of(["1"] * 8), 3, Lacking(Overlong("The context is 8.")))
    assert (result.arm, result.repeat, result.correct, result.answer) == ("x", 3, False, None)
    assert (result.tokens, result.stopped) == (0, "refused")


def test_replayed_any_other_loss_is_one():
    with pytest.raises(SampleFailed, match="lost"):
        replayed("x", STEPS, question(), bank_of(["1"] * 8), 0, Lacking(SampleFailed("lost")))


def test_what_comes_to_no_end_is_named(task: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    bank = ["--bank", str(tmp_path / "bank.jsonl"), "--limit", "1"]
    with live(ScriptedEngine(["\\boxed{1}"])) as server:
        main(["eval", str(task), *bank, "--server", server.url, "--fill", "4"])
        for beside, why in (["--server", server.url], "partial answers"), ([], "need a --server beside it"):
            with pytest.raises(SystemExit):
                main(["eval", str(task), *bank, *beside, "--strategy", "beam_search:n=4,verifier=countdown"])
            said = capsys.readouterr().err.splitlines()[-1]
            assert said.startswith("cogitate: beam_search:n=4,verifier=countdown, sums:0: ") and why in said
