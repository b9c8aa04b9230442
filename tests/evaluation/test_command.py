"""`cogitate eval` as it is typed, against a real server on a scripted engine."""

import json
from pathlib import Path

import pytest

from server.cli import main
from server.evaluation.bank import Bank
from strategies.types import Prompt, Sampling
from tests.scripted import ScriptedEngine
from tests.server.live import live

ROWS = [{"question": f"What is {n} + 1?", "answer": f"It is one more.\n#### {n + 1}"} for n in range(3)]


def answering(prompt: Prompt, sampling: Sampling) -> str:
    """Right about the first two."""
    n = int(prompt.messages[-1].text.split()[2])
    return f"\\boxed{{{n + 1 if n < 2 else 0}}}"


@pytest.fixture
def task(tmp_path: Path) -> Path:
    path = tmp_path / "sums.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in ROWS))
    return path


def test_a_bank_is_filled_once_and_replayed(task: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    bank, out = tmp_path / "bank.jsonl", tmp_path / "out" / "sums"
    with live(ScriptedEngine(answering)) as server:
        fill = ["eval", str(task), "--server", server.url, "--bank", str(bank), "--fill", "4"]
        main(fill)
        made = len(server.engine.calls)
        main(fill)
        assert made == len(server.engine.calls) == 3 * 5
    assert len(Bank.read(bank).drawn("sums:1")) == 4
    replay = ["eval", str(task), "--bank", str(bank), "--out", str(out), "--strategy", "self_consistency:n=4"]
    main(replay)
    table = capsys.readouterr().out
    kept = out.with_name("sums-results.jsonl").read_text()
    main(replay)
    assert capsys.readouterr().out == table
    assert out.with_name("sums-results.jsonl").read_text() == kept
    for arm in ("greedy", "one sample", "oracle pass@4", "self_consistency:n=4,stop_rule=none"):
        assert f"| `{arm}` | 66.7 | 20.8 to 93.9 |" in table
    assert table in out.with_name("sums.md").read_text()
    for plot in ("sums-tokens.png", "sums-tokens.svg", "sums-time.png", "sums-time.svg"):
        assert out.with_name(plot).stat().st_size > 1000


def test_live(task: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    out = tmp_path / "sums"
    with live(ScriptedEngine(answering)) as server:
        asked = ["eval", str(task), "--server", server.url, "--out", str(out), "--strategy", "self_consistency:n=4"]
        main(asked)
        made = len(server.engine.calls)
        main(asked)
        assert len(server.engine.calls) == made
    results = [json.loads(line) for line in out.with_name("sums-results.jsonl").read_text().splitlines()]
    assert sorted((r["arm"], r["question"], r["correct"]) for r in results) == [
        (arm, f"sums:{n}", n < 2) for arm in ("greedy", "self_consistency:n=4") for n in range(3)
    ]
    assert "+0.0 (+0.0 to +0.0)" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["none.jsonl", "--server", "http://127.0.0.1:9"], "cannot read"),
        (["{task}"], "--server says"),
        (["{task}", "--bank", "none.jsonl", "--strategy", "self_consistency"], "cannot read"),
        (["{task}", "--server", "http://127.0.0.1:9", "--strategy", "magic"], "magic"),
        (["gym:no_such_task"], "gym:no_such_task"),
    ],
)
def test_a_mistake_is_one_line(task: Path, arguments: list[str], reason: str, capsys: pytest.CaptureFixture[str]):
    with pytest.raises(SystemExit) as end:
        main(["eval", *(argument.replace("{task}", str(task)) for argument in arguments)])
    said = capsys.readouterr().err
    assert end.value.code == 1 and reason in said and said.count("\n") == 1
