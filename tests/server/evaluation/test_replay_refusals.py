"""Checks before a replay: which questions the bank lacks, and what cannot be replayed."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from cogitate.server.cli import main
from cogitate.server.evaluation.arms import BadArm, parse_arm
from cogitate.server.evaluation.replay import check_arms
from cogitate.server.evaluation.sample import GREEDY_INDEX
from cogitate.server.evaluation.sample_bank import Bank, BankFile, balance
from tests.fakes.banks import RECIPE, bank_of, question, sample

ROWS = [{"question": f"What is {n} + 1?", "answer": str(n + 1)} for n in range(4)]
MADE = replace(RECIPE, task="sums", temperature=0.5)


def bank_flags(path: Path, counts: list[int], *, greedy: int = 4, asked: str = "") -> list[str]:
    """Write a bank with `counts` samples of each question and some greedy ones, and return the flags to replay it."""
    (path / "sums.jsonl").write_text("".join(json.dumps(row) + "\n" for row in ROWS))
    file = BankFile(path / "bank.jsonl", MADE)
    for at, n in enumerate(counts):
        for index in range(GREEDY_INDEX if at < greedy else 0, n):
            file.add(replace(sample(f"sums:{at}", index, str(at + 1)), asked=asked))
    file.close()
    return ["eval", str(path / "sums.jsonl"), "--bank", str(path / "bank.jsonl"), "--repeats", "1"]


def run_failing(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    with pytest.raises(SystemExit) as end:
        main(arguments)
    output = capsys.readouterr()
    assert end.value.code == 1 and output.err.count("\n") == 1 and not output.out
    return output.err


@pytest.mark.parametrize(
    ("counts", "n", "questions"),
    [
        ([8, 8, 8, 8], 8, 4),
        ([8, 8, 3, 0], 8, 2),
        ([16, 8, 8, 8], 8, 4),
        ([16, 8, 0, 0], 16, 1),  # a tie with twice 8: the larger n wins
        ([1, 1, 1, 2], 1, 4),
        ([3, 2, 2, 0], 2, 3),
    ],
)
def test_balanced_bank_has_the_most_samples(counts: list[int], n: int, questions: int):
    full = Bank(RECIPE)
    for at, count in enumerate(counts):
        for index in range(count):
            full.add(sample(f"sums:{at}", index, "1"))
    found, even = balance(full, [question(f"sums:{at}") for at in range(4)])
    assert (found, len(even.samples)) == (n, questions) and {len(each) for each in even.samples.values()} == {n}


def test_questions_with_too_few_samples_are_left_out_with_a_note(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    main(bank_flags(tmp_path, [4, 6, 4, 1]))
    output = capsys.readouterr()
    assert output.err.startswith("1 of 4 questions left out: the bank has fewer than 4 samples of them\n")
    assert "| `oracle pass@4` | 100.0 |" in output.out and "sums.jsonl: 3 questions" in output.out
    line = next(line for line in output.out.splitlines() if line.startswith("| `self_consistency:n=4,stop_rule=none`"))
    assert "| 40 | 0 | 0 | 4.0 | 10 / 10 / 10 |" in line


def test_greedy_row_needs_a_greedy_sample_of_every_question(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    main(bank_flags(tmp_path, [2, 2, 2, 2], greedy=3))
    output = capsys.readouterr()
    assert "greedy is left out: the bank has no greedy sample of 1 questions\n" in output.err
    assert "`greedy`" not in output.out and "| `one sample` | 100.0 | 51.0 to 100.0 | the baseline |" in output.out


@pytest.mark.parametrize(
    ("flags", "named"),
    [
        (["--temperature", "0.7"], "--temperature"),
        (["--top-p", "0.9"], "--top-p"),
        (["--max-tokens", "401"], "--max-tokens"),
        (["--instruction", " Think."], "--instruction"),
        (["--shots", "shots.jsonl"], "--shots"),
        (["--baseline", "oracle pass@3"], "the rows are: greedy, one sample, oracle pass@2, self_consistency:n=2"),
        (["--strategy", "self_consistency:n=2,instruction=Think."], "instruction"),
        (["--strategy", "best_of_n:verifier=magic"], "magic"),
        (["--strategy", "best_of_n:verifier=reward"], "reward"),
    ],
)
def test_flag_that_contradicts_the_bank_is_named(
    flags: list[str], named: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    replay = bank_flags(tmp_path, [2, 2, 2, 2])
    (tmp_path / "shots.jsonl").write_text('{"question": "1 + 1?", "answer": "2"}\n')
    output = run_failing([*replay, *(flag.replace("shots.", f"{tmp_path}/shots.") for flag in flags)], capsys)
    assert named in output


def test_flags_equal_to_the_recipe_are_accepted(tmp_path: Path):
    main([*bank_flags(tmp_path, [2, 2, 2, 2]), "--temperature", "0.5", "--max-tokens", "400", "--instruction", ""])


def test_samples_of_a_question_with_other_text_are_rejected(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    output = run_failing(bank_flags(tmp_path, [2, 2, 2, 2], asked="another"), capsys)
    assert "the bank's samples of sums:0 are for a question with another text" in output


@pytest.mark.parametrize(
    ("written", "why"),
    [
        ("best_of_n:verifier=magic", "no verifier `magic`"),
        ("best_of_n:verifier=reward", "no verifier `reward`"),
        ("best_of_n:verifier=regex", "needs pattern"),
        ("best_of_n:verifier=unit_tests", "no sandbox"),
        ("best_of_n:verifier=number+magic", "no verifier"),
        ("program_aided", "no sandbox"),
        ("self_consistency:instruction=", "leave `instruction` out"),
        ("self_consistency:weights=verifier,verifier=pairwise", "compares complete candidates"),
    ],
)
def test_strategy_that_cannot_be_replayed_raises_bad_arm(written: str, why: str):
    with pytest.raises(BadArm, match=why) as refused:
        check_arms([parse_arm("auto"), parse_arm(written)])
    assert "\n" not in str(refused.value) and str(refused.value).startswith(parse_arm(written).name)


@pytest.mark.parametrize(
    "written", ["best_of_n:n=2,verifier=number+confidence", "best_of_n:n=2,verifier=regex,pattern=box.*"]
)
def test_verifiers_without_a_model_are_replayed(written: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    main([*bank_flags(tmp_path, [2, 2, 2, 2]), "--strategy", written])
    assert f"| `{parse_arm(written).name}` | 100.0 |" in capsys.readouterr().out


def test_balancing_copies_the_bank():
    full = bank_of(["1", "2", "3"])
    _, even = balance(full, [question()])
    even.add(sample("sums:0", 7, "9"))
    assert len(full.samples_of("sums:0")) == 4
