"""Questions that exceed the model's context are wrong answers, and do not end the run."""

import json
from pathlib import Path

import pytest

from cogitate.server.cli import main
from cogitate.server.engine.context_limit import SamplePromptTooLong
from cogitate.server.errors import BadRequest, ContextTooLong
from cogitate.server.evaluation.arms import parse_arm
from cogitate.server.evaluation.replay import replay
from cogitate.server.evaluation.sample_bank import Bank
from cogitate.strategies.core.ports import SampleFailed
from cogitate.strategies.core.prompt import Prompt
from cogitate.strategies.core.scripted import Reply, ScriptedEngine
from cogitate.strategies.core.types import Completion, Sampling
from tests.fakes.banks import bank_of, question
from tests.fakes.live_server import live

ROWS = [{"question": f"What is {n} + 1?", "answer": str(n + 1)} for n in range(2)]
VOTE = "self_consistency:n=2"
STEPS = parse_arm("beam_search:verifier=countdown")


@pytest.fixture
def task(tmp_path: Path) -> Path:
    path = tmp_path / "sums.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in ROWS))
    return path


def engine(refusal: Exception) -> ScriptedEngine:
    def respond(prompt: Prompt, sampling: Sampling) -> Reply:
        n = int(prompt.messages[-1].text.split()[2])
        return f"\\boxed{{{n + 1}}}" if n else refusal

    return ScriptedEngine(respond)


def test_live_question_too_long_is_wrong_and_in_no_mean_of_costs(
    task: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    out = tmp_path / "out"
    with live(engine(ContextTooLong("The prompt is too long."))) as server:
        command = ["eval", str(task), "--server", server.url, "--out", str(out), "--strategy", VOTE]
        main(command)
        made = len(server.engine.calls)
        main(command)
        assert len(server.engine.calls) == made, "the stored results are not measured again"
    table = capsys.readouterr().out.partition("The easier half")[0]
    for row, tokens, n in (("greedy", 2, 1), ("one sample", 2, 1), ("oracle pass@2", 4, 2), (VOTE, 4, 2)):
        line = next(line for line in table.splitlines() if line.startswith(f"| `{row}` | 50.0 |"))
        assert f"| {tokens} | 0 | 0 | {n}.0 |" in line and line.endswith("| 50.0 |")
    results = [json.loads(line) for line in out.with_name("out-results.jsonl").read_text().splitlines()]
    assert {(r["tokens"], r["answer"], r["stopped"]) for r in results if r["question"] == "sums:0"} == {
        (0, None, "refused")
    }


def test_other_error_ends_a_live_run_naming_arm_and_question(task: Path, capsys: pytest.CaptureFixture[str]):
    with live(engine(BadRequest("No."))) as server, pytest.raises(SystemExit):
        main(["eval", str(task), "--server", server.url, "--in-flight", "1"])
    error = capsys.readouterr().err
    assert error.startswith("cogitate: greedy, sums:0: 400: ") and error.count("\n") == 1


def test_other_error_ends_a_fill_naming_the_question(task: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    fill = ["--bank", str(tmp_path / "bank.jsonl"), "--fill", "1", "--instruction", " Be brief."]
    with live(engine(BadRequest("No."))) as server, pytest.raises(SystemExit):
        main(["eval", str(task), "--server", server.url, *fill])
    error = capsys.readouterr().err
    assert error.splitlines()[-1].startswith("cogitate: sums:0: 400: ")
    assert Bank.read(tmp_path / "bank.jsonl").recipe.instruction == " Be brief."


def test_bank_has_no_samples_of_a_question_too_long(task: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    bank = tmp_path / "bank.jsonl"
    with live(engine(ContextTooLong("The prompt is too long."))) as server:
        main(["eval", str(task), "--server", server.url, "--bank", str(bank), "--fill", "2"])
    assert list(Bank.read(bank).samples) == ["sums:1"]
    assert "1 questions have no samples: they do not fit into the model's context" in capsys.readouterr().err
    main(["eval", str(task), "--bank", str(bank)])
    assert "1 of 2 questions left out: the bank has fewer than 2 samples of them\n" in capsys.readouterr().err


class FailingFallback:
    """A fallback that always raises one error."""

    def __init__(self, failure: Exception) -> None:
        self.failure = failure

    async def generate(self, prompt: Prompt, sampling: Sampling) -> Completion:
        raise self.failure


def test_replayed_question_too_long_is_a_refused_result():
    result = replay(STEPS, question(), bank_of(["1"] * 8), 3, FailingFallback(SamplePromptTooLong("The context is 8.")))
    assert (result.arm, result.repeat, result.correct, result.answer) == (STEPS.name, 3, False, None)
    assert (result.tokens, result.stopped) == (0, "refused")


def test_replay_raises_other_failures_of_the_fallback():
    with pytest.raises(SampleFailed, match="lost"):
        replay(STEPS, question(), bank_of(["1"] * 8), 0, FailingFallback(SampleFailed("lost")))


def test_failed_replay_is_reported_with_arm_and_question(
    task: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    bank = ["--bank", str(tmp_path / "bank.jsonl"), "--limit", "1"]
    with live(ScriptedEngine(["\\boxed{1}"])) as server:
        main(["eval", str(task), *bank, "--server", server.url, "--fill", "4"])
        for server_flags, why in (["--server", server.url], "partial responses"), ([], "add --server URL or --model"):
            with pytest.raises(SystemExit):
                main(["eval", str(task), *bank, *server_flags, "--strategy", "beam_search:n=4,verifier=countdown"])
            error = capsys.readouterr().err.splitlines()[-1]
            assert error.startswith("cogitate: beam_search:n=4,verifier=countdown, sums:0: ") and why in error
