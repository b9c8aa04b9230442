"""`cogitate eval` from its flags to its output, against a real server with a scripted engine."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from cogitate.server.cli import main
from cogitate.server.evaluation.sample_bank import Bank
from cogitate.strategies.core.prompt import Prompt
from cogitate.strategies.core.scripted import ScriptedEngine
from cogitate.strategies.core.types import Sampling
from tests.fakes.live_server import live

ROWS = [{"question": f"What is {n} + 1?", "answer": f"It is one more.\n#### {n + 1}"} for n in range(3)]


def solve_first_two(prompt: Prompt, sampling: Sampling) -> str:
    """Right about the first two."""
    n = int(prompt.messages[-1].text.split()[2])
    return f"\\boxed{{{n + 1 if n < 2 else 0}}}"


@pytest.fixture
def task(tmp_path: Path) -> Path:
    path = tmp_path / "sums.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in ROWS))
    return path


def test_bank_is_filled_once_and_replays_give_equal_tables(
    task: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    bank, out = tmp_path / "bank.jsonl", tmp_path / "out" / "sums"
    with live(ScriptedEngine(solve_first_two)) as server:
        fill = ["eval", str(task), "--server", server.url, "--bank", str(bank), "--fill", "4"]
        main(fill)
        made = len(server.engine.calls)
        main(fill)
        assert made == len(server.engine.calls) == 3 * 5
    assert len(Bank.read(bank).non_greedy("sums:1")) == 4
    replay = ["eval", str(task), "--bank", str(bank), "--out", str(out), "--strategy", "self_consistency:n=4"]
    main(replay)
    table = capsys.readouterr().out
    stored = out.with_name("sums-results.jsonl").read_text()
    main(replay)
    assert capsys.readouterr().out == table
    assert out.with_name("sums-results.jsonl").read_text() == stored
    for arm in ("greedy", "one sample", "oracle pass@4", "self_consistency:n=4,stop_rule=none"):
        assert f"| `{arm}` | 66.7 | 20.8 to 93.9 |" in table
    assert table in out.with_name("sums.md").read_text()
    for plot in ("sums-tokens.png", "sums-tokens.svg", "sums-time.png", "sums-time.svg"):
        assert out.with_name(plot).stat().st_size > 1000


def test_live_run_shows_baselines_and_resumes_without_requests(
    task: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    out = tmp_path / "sums"
    with live(ScriptedEngine(solve_first_two)) as server:
        command = ["eval", str(task), "--server", server.url, "--out", str(out), "--strategy", "self_consistency:n=4"]
        main(command)
        made = len(server.engine.calls)
        main(command)
        assert len(server.engine.calls) == made
    table = capsys.readouterr().out
    assert re.findall(r"^\| `(.*?)` \| 66.7", table, re.M) == 2 * [
        "greedy", "one sample", "oracle pass@4", "self_consistency:n=4,stop_rule=none", "self_consistency:n=4"
    ]  # fmt: skip
    results = [json.loads(line) for line in out.with_name("sums-results.jsonl").read_text().splitlines()]
    assert len(results) == 3 * (1 + 4 + 1 + 1 + 1) and all(r["correct"] == (r["question"] != "sums:2") for r in results)
    assert "+0.0 (+0.0 to +0.0)" in table


def test_results_of_other_options_or_questions_are_measured_again(
    task: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    out = tmp_path / "sums"
    with live(ScriptedEngine(solve_first_two)) as server:
        command = ["eval", str(task), "--server", server.url, "--out", str(out), "--beside", "0"]
        for more, made, stale in ((), 3, 0), (["--max-tokens", "9"], 6, 3), ((), 6, 3), (["--seed", "1"], 9, 6):
            main([*command, *more])
            output = capsys.readouterr()
            assert len(server.engine.calls) == made and output.out.count("| `greedy` |") == 1
            assert (f"{stale} results" in output.err) == bool(stale) and output.err.count("measured again") == bool(
                stale
            )
        task.write_text(task.read_text().replace("2 + 1", "2 plus 1"))
        main(command)
    assert len(server.engine.calls) == 10 and len(out.with_name("sums-results.jsonl").read_text().splitlines()) == 10


def test_table_shows_the_rows_of_this_run_in_the_order_of_its_flags(
    task: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    best, vote = "best_of_n:n=2,verifier=number", "self_consistency:n=2"
    out, bank = tmp_path / "sums", tmp_path / "bank.jsonl"
    with live(ScriptedEngine(solve_first_two)) as server:
        main(["eval", str(task), "--server", server.url, "--bank", str(bank), "--fill", "2"])
    replay = ["eval", "--bank", str(bank), "--out", str(out), str(task)]
    main([*replay, "--strategy", best, "--strategy", vote])
    capsys.readouterr()
    main([*replay, "--strategy", vote, "--strategy", best, "--strategy", vote])
    rows = re.findall(r"^\| `(.*?)`", capsys.readouterr().out, re.M)
    first = ["greedy", "one sample", "oracle pass@2", "self_consistency:n=2,stop_rule=none"]
    assert rows == 2 * [*first, vote, best]
    main([*replay, "--limit", "2", "--repeats", "1"])
    table = capsys.readouterr().out
    assert re.findall(r"^\| `(.*?)`", table, re.M) == 2 * first and "sums.jsonl: 2 questions" in table


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["none.jsonl", "--server", "http://127.0.0.1:9"], "cannot read"),
        (["{task}"], "give --server URL"),
        (["{task}", "--fill", "2", "--server", "http://127.0.0.1:9"], "--fill needs --bank FILE"),
        (["{task}", "--bank", "b", "--fill", "2"], "give --server URL"),
        (["{task}", "--server", "127.0.0.1:8000"], "127.0.0.1:8000"),
        (["{task}", "--server", "ftp://here"], "not an http"),
        (["{task}", "--server", "http://[here"], "not an http"),
        (["{task}", "--server", "http://127.0.0.1:9", "--beside", "257"], "257"),
        (["{task}", "--server", "http://127.0.0.1:9", "--out", "."], "--out"),
        (["{task}", "--server", "http://127.0.0.1:9", "--out", ""], "--out"),
        (["{task}", "--server", "http://127.0.0.1:9", "--out", "{task}/x"], "cannot write"),
        (["{task}", "--server", "http://127.0.0.1:9", "--api-key-file", "none"], "--api-key-file none"),
        (
            ["{task}", "--server", "http://127.0.0.1:9", "--baseline", "magic"],
            "the rows are: greedy, one sample, oracle",
        ),
        (["{task}", "--bank", "b", "--beside", "2"], "--beside"),
        (["{task}", "--bank", "none.jsonl", "--strategy", "self_consistency"], "cannot read"),
        (["{task}", "--server", "http://127.0.0.1:9", "--strategy", "magic"], "magic"),
        (["gym:no_such_task", "--server", "http://127.0.0.1:9"], "gym:no_such_task"),
    ],
)
def test_wrong_flags_end_with_one_line_and_status_1(
    task: Path, arguments: list[str], reason: str, capsys: pytest.CaptureFixture[str]
):
    with pytest.raises(SystemExit) as end:
        main(["eval", *(argument.replace("{task}", str(task)) for argument in arguments)])
    output = capsys.readouterr().err
    assert end.value.code == 1 and reason in output and output.count("\n") == 1


@pytest.mark.parametrize("package", ["scipy", "tqdm"])
def test_missing_package_is_named_before_any_work(task: Path, package: str):
    script = f"import sys\nsys.modules[{package!r}] = None\nfrom cogitate.server.cli import main\nmain(sys.argv[1:])"
    command = [sys.executable, "-c", script, "eval", str(task), "--server", "http://127.0.0.1:9"]
    result = subprocess.run(command, capture_output=True, text=True)
    assert result.returncode == 1
    assert result.stderr == f"cogitate: `cogitate eval` needs {package}: pip install {package}\n"


@pytest.mark.parametrize("flag", ["--fill", "--limit", "--repeats", "--max-tokens", "--in-flight", "--beside"])
@pytest.mark.parametrize("number", ["-1", "many", "0"])
def test_flags_reject_numbers_out_of_range_with_one_line(flag: str, number: str, capsys: pytest.CaptureFixture[str]):
    with pytest.raises(SystemExit) as end:
        main(["eval", "sums", "--server", "http://127.0.0.1:9", flag, number, "--bank", "none/x"])
    output = capsys.readouterr().err
    assert (
        output.count("\n") == 1
        and flag in output
        and end.value.code == (1 if (flag, number) == ("--beside", "0") else 2)
    )
