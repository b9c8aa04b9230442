"""What is said before a bank is replayed: which questions it lacks, and what it cannot give."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from cogitate.server.cli import main
from cogitate.server.evaluation.arms import BadArm, arm
from cogitate.server.evaluation.evening import evened
from cogitate.server.evaluation.refusing import refuse_arms
from cogitate.server.evaluation.sample import GREEDY
from cogitate.server.evaluation.sample_bank import Bank, BankFile
from tests.fakes.banks import RECIPE, bank_of, question, sample

ROWS = [{"question": f"What is {n} + 1?", "answer": str(n + 1)} for n in range(4)]
MADE = replace(RECIPE, task="sums", temperature=0.5)


def bank(path: Path, held: list[int], *, greedy: int = 4, asked: str = "") -> list[str]:
    """The flags that replay it: so many samples of each question, and a greedy one of the first few."""
    (path / "sums.jsonl").write_text("".join(json.dumps(row) + "\n" for row in ROWS))
    file = BankFile(path / "bank.jsonl", MADE)
    for at, n in enumerate(held):
        for index in range(GREEDY if at < greedy else 0, n):
            file.put(replace(sample(f"sums:{at}", index, str(at + 1)), asked=asked))
    file.close()
    return ["eval", str(path / "sums.jsonl"), "--bank", str(path / "bank.jsonl"), "--repeats", "1"]


def refused(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    with pytest.raises(SystemExit) as end:
        main(arguments)
    said = capsys.readouterr()
    assert end.value.code == 1 and said.err.count("\n") == 1 and not said.out
    return said.err


@pytest.mark.parametrize(
    ("held", "n", "kept"),
    [
        ([8, 8, 8, 8], 8, 4),
        ([8, 8, 3, 0], 8, 2),
        ([16, 8, 8, 8], 8, 4),
        ([16, 8, 0, 0], 16, 1),  # as many samples as twice 8, and so the larger
        ([1, 1, 1, 2], 1, 4),
        ([3, 2, 2, 0], 2, 3),
    ],
)
def test_as_many_samples_as_can_be_are_compared(held: list[int], n: int, kept: int):
    whole = Bank(RECIPE)
    for at, count in enumerate(held):
        for index in range(count):
            whole.add(sample(f"sums:{at}", index, "1"))
    found, even = evened(whole, [question(f"sums:{at}") for at in range(4)])
    assert (found, len(even.samples)) == (n, kept) and {len(each) for each in even.samples.values()} == {n}


def test_what_an_interrupted_fill_left_out_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    main(bank(tmp_path, [4, 6, 4, 1]))
    said = capsys.readouterr()
    assert said.err.startswith("1 of 4 questions left out: the bank has fewer than 4 samples of them\n")
    assert "| `oracle pass@4` | 100.0 |" in said.out and "sums.jsonl: 3 questions" in said.out
    line = next(line for line in said.out.splitlines() if line.startswith("| `self_consistency:n=4,stop_rule=none`"))
    assert "| 40 | 0 | 0 | 4.0 | 10 / 10 / 10 |" in line


def test_greedy_is_left_out_where_it_is_not_whole(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    main(bank(tmp_path, [2, 2, 2, 2], greedy=3))
    said = capsys.readouterr()
    assert "greedy is left out: the bank has no greedy sample of 1 questions\n" in said.err
    assert "`greedy`" not in said.out and "| `one sample` | 100.0 | 51.0 to 100.0 | the baseline |" in said.out


@pytest.mark.parametrize(
    ("flags", "named"),
    [
        (["--temperature", "0.7"], "--temperature"),
        (["--top-p", "0.9"], "--top-p"),
        (["--max-tokens", "401"], "--max-tokens"),
        (["--instruction", " Think."], "--instruction"),
        (["--shots", "shots.jsonl"], "--shots"),
        (["--baseline", "oracle pass@3"], "there are: greedy, one sample, oracle pass@2, self_consistency:n=2"),
        (["--strategy", "self_consistency:n=2,instruction=Think."], "instruction"),
        (["--strategy", "best_of_n:verifier=magic"], "magic"),
        (["--strategy", "best_of_n:verifier=reward"], "reward"),
    ],
)
def test_a_flag_that_contradicts_the_bank_is_named(
    flags: list[str], named: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    replay = bank(tmp_path, [2, 2, 2, 2])
    (tmp_path / "shots.jsonl").write_text('{"question": "1 + 1?", "answer": "2"}\n')
    said = refused([*replay, *(flag.replace("shots.", f"{tmp_path}/shots.") for flag in flags)], capsys)
    assert named in said


def test_a_flag_that_says_what_the_bank_says_is_no_contradiction(tmp_path: Path):
    main([*bank(tmp_path, [2, 2, 2, 2]), "--temperature", "0.5", "--max-tokens", "400", "--instruction", ""])


def test_samples_of_another_question_are_none_of_this_one(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    said = refused(bank(tmp_path, [2, 2, 2, 2], asked="another"), capsys)
    assert "this bank's samples answer another question than sums:0" in said


@pytest.mark.parametrize(
    ("written", "why"),
    [
        ("best_of_n:verifier=magic", "no verifier `magic`"),
        ("best_of_n:verifier=reward", "no verifier `reward`"),
        ("best_of_n:verifier=regex", "needs pattern"),
        ("best_of_n:verifier=unit_tests", "no sandbox"),
        ("best_of_n:verifier=number+magic", "no verifier"),
        ("program_aided", "no sandbox"),
        ("self_consistency:instruction=", "leave it out"),
        ("self_consistency:weights=verifier,verifier=pairwise", "compares whole candidates"),
    ],
)
def test_what_a_replay_cannot_do_is_a_line(written: str, why: str):
    with pytest.raises(BadArm, match=why) as refused:
        refuse_arms([arm("auto"), arm(written)])
    assert "\n" not in str(refused.value) and str(refused.value).startswith(arm(written).name)


@pytest.mark.parametrize(
    "written", ["best_of_n:n=2,verifier=number+confidence", "best_of_n:n=2,verifier=regex,pattern=box.*"]
)
def test_a_verifier_that_needs_no_server_is_replayed(written: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    main([*bank(tmp_path, [2, 2, 2, 2]), "--strategy", written])
    assert f"| `{arm(written).name}` | 100.0 |" in capsys.readouterr().out


def test_a_bank_is_not_changed_by_what_is_compared():
    whole = bank_of(["1", "2", "3"])
    _, even = evened(whole, [question()])
    even.add(sample("sums:0", 7, "9"))
    assert len(whole.held("sums:0")) == 4
