"""`--bank` given twice: a vote of two models, replayed."""

import argparse
from pathlib import Path

import pytest

from cogitate.server.evaluation.arms import BadArm, parse_arm
from cogitate.server.evaluation.datasets import build_question
from cogitate.server.evaluation.flags import BadFlag, add_flags, check_flags
from cogitate.server.evaluation.replay import replay
from cogitate.server.evaluation.replay_run import check_names, digest_samples, read_other_banks
from cogitate.server.evaluation.sample import Recipe, Sample
from cogitate.server.evaluation.sample_bank import BadBank, Bank, BankFile

QUESTION = build_question("q", {"question": "What is 6*7?", "answer": "42"})
CASCADE = parse_arm('{"name": "self_consistency", "models": [{"model": "small", "n": 4}, {"model": "large", "n": 8}]}')


def bank(model, answers, tokens):
    made = Bank(Recipe(task="t", model=model, instruction=""))
    for index, answer in enumerate(answers):
        made.add(
            Sample(
                question="q",
                index=index,
                seed=index,
                text=f"\\boxed{{{answer}}}",
                finish="stop",
                tokens=tokens,
                prompt_tokens=1,
            )
        )
    return made


def test_next_bank_is_drawn_from_only_where_the_joint_vote_is_open():
    large = {"large": bank("large", [42] * 8, 100)}
    decided = replay(CASCADE, QUESTION, bank("small", [42] * 4, 10), others=large)
    assert (decided.tokens, decided.correct, decided.depth) == (40, True, 10)
    contested = replay(CASCADE, QUESTION, bank("small", [41, 41, 42, 43], 10), others=large)
    assert contested.correct and contested.tokens > 40 + 3 * 100


def test_results_depend_on_the_samples_of_every_bank():
    small = bank("small", [42], 10)
    digests = [digest_samples(QUESTION, banks) for banks in ([small], [small, bank("large", [42], 10)])]
    digests.append(digest_samples(QUESTION, [small, bank("large", [41], 10)]))
    assert len(set(digests)) == 3


def test_model_without_a_bank_is_refused():
    with pytest.raises(BadArm, match="no --bank has samples of large"):
        check_names([CASCADE], ["small"])


def test_two_banks_of_one_model_are_refused(tmp_path):
    path = tmp_path / "bank.jsonl"
    BankFile(path, Recipe(task="t", model="small", instruction="")).close()
    assert list(read_other_banks([path], "large")) == ["small"]
    with pytest.raises(BadBank, match="one for each model"):
        read_other_banks([path], "small")


def test_bank_flag_is_repeatable_but_one_is_filled():
    parser = argparse.ArgumentParser()
    add_flags(parser)
    args = parser.parse_args(["t", "--bank", "a", "--bank", "b", "--bank", "c"])
    assert (args.bank, args.more_banks) == (Path("a"), (Path("b"), Path("c")))
    check_flags(args)
    with pytest.raises(BadFlag, match="one --bank"):
        check_flags(parser.parse_args(["t", "--bank", "a", "--bank", "b", "--fill", "2", "--server", "http://a"]))
