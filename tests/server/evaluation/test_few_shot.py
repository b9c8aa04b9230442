"""Worked examples, shown before each question."""

import json
from pathlib import Path

import pytest

from cogitate.server.cli import main
from cogitate.server.evaluation.few_shot import BadShots, shots, turns
from cogitate.server.evaluation.sample_bank import Bank
from cogitate.server.evaluation.spelling import Misspelled, spelled
from cogitate.strategies.auto import WAVE
from tests.fakes.live_server import live
from tests.fakes.scripted import ScriptedEngine

SHOWN = [("What is 1 + 1?", "It is \\boxed{2}."), ("What is 2 + 1?", "It is \\boxed{3}.")]
SAID = [("user", SHOWN[0][0]), ("assistant", SHOWN[0][1]), ("user", SHOWN[1][0]), ("assistant", SHOWN[1][1])]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "shots.jsonl"
    path.write_text("".join(json.dumps({"question": asked, "answer": said}) + "\n" for asked, said in SHOWN))
    return path


def test_they_are_a_conversation_that_went_before(file: Path):
    assert shots(file) == tuple(SHOWN) and shots(None) == ()
    said = [(turn["role"], turn["content"]) for turn in turns(shots(file), "And 3 + 1?")]
    assert said == [*SAID, ("user", "And 3 + 1?")]


def test_a_strategy_and_greedy_are_shown_the_same(file: Path):
    with live(ScriptedEngine(["\\boxed{2}"])) as server:
        alone = ["--beside", "0", "--server", server.url]
        main(["eval", "sums", "--limit", "1", *alone, "--shots", str(file), "--strategy", "auto"])
        asked = [[(message.role, message.text) for message in prompt.messages] for prompt, _ in server.engine.calls]
    assert len(asked) == 1 + WAVE and all(turns[:-1] == SAID for turns in asked)


def test_a_bank_remembers_what_was_shown(file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    bank = tmp_path / "bank.jsonl"
    fill = ["eval", "sums", "--limit", "1", "--bank", str(bank), "--fill", "2"]
    with live(ScriptedEngine(["\\boxed{2}"])) as server:
        main([*fill, "--server", server.url, "--shots", str(file)])
        with pytest.raises(SystemExit):
            main([*fill, "--server", server.url])
    assert Bank.read(bank).recipe.shots == [list(shot) for shot in SHOWN]
    assert "was made otherwise" in capsys.readouterr().err


@pytest.mark.parametrize("written", ["", "{", "[]\n", '{"question": 1}\n'])
def test_what_holds_no_examples_is_said_in_one_line(written: str, tmp_path: Path):
    path = tmp_path / "shots.jsonl"
    path.write_text(written)
    if not written:
        assert shots(path) == ()
        return
    with pytest.raises(BadShots, match="a row is not JSON"):
        shots(path)
    with pytest.raises(BadShots, match="cannot read"):
        shots(tmp_path / "none.jsonl")


def test_a_name_with_options():
    assert spelled("countdown") == {"name": "countdown"}
    assert spelled("x:a=1,b=true,c=word,d=null,e=0.5") == {
        "name": "x",
        "a": 1,
        "b": True,
        "c": "word",
        "d": None,
        "e": 0.5,
    }
    with pytest.raises(Misspelled, match="nonsense is not option=value"):
        spelled("x:nonsense")
