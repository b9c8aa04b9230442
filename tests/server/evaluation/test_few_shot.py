"""Few-shot examples."""

import json
from pathlib import Path

import pytest

from cogitate.server.cli import main
from cogitate.server.evaluation.arms import BadSpec, parse_spec
from cogitate.server.evaluation.few_shot import BadShots, build_messages, read_shots
from cogitate.server.evaluation.sample_bank import Bank
from cogitate.strategies.auto import WAVE
from cogitate.strategies.core.scripted import ScriptedEngine
from tests.fakes.live_server import live

SHOWN = [("What is 1 + 1?", "It is \\boxed{2}."), ("What is 2 + 1?", "It is \\boxed{3}.")]
SHOWN_TURNS = [("user", SHOWN[0][0]), ("assistant", SHOWN[0][1]), ("user", SHOWN[1][0]), ("assistant", SHOWN[1][1])]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "shots.jsonl"
    path.write_text("".join(json.dumps({"question": asked, "answer": answer}) + "\n" for asked, answer in SHOWN))
    return path


def test_examples_are_earlier_turns_of_the_conversation(file: Path):
    assert read_shots(file) == tuple(SHOWN) and read_shots(None) == ()
    messages = [(turn["role"], turn["content"]) for turn in build_messages(read_shots(file), "And 3 + 1?")]
    assert messages == [*SHOWN_TURNS, ("user", "And 3 + 1?")]


def test_greedy_and_strategies_get_the_same_examples(file: Path):
    with live(ScriptedEngine(["\\boxed{2}"])) as server:
        alone = ["--beside", "0", "--server", server.url]
        main(["eval", "sums", "--limit", "1", *alone, "--shots", str(file), "--strategy", "auto"])
        asked = [[(message.role, message.text) for message in prompt.messages] for prompt, _ in server.engine.calls]
    assert len(asked) == 1 + WAVE and all(turns[:-1] == SHOWN_TURNS for turns in asked)


def test_bank_with_other_examples_is_not_continued(file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    bank = tmp_path / "bank.jsonl"
    fill = ["eval", "sums", "--limit", "1", "--bank", str(bank), "--fill", "2"]
    with live(ScriptedEngine(["\\boxed{2}"])) as server:
        main([*fill, "--server", server.url, "--shots", str(file)])
        with pytest.raises(SystemExit):
            main([*fill, "--server", server.url])
    assert Bank.read(bank).recipe.shots == [list(shot) for shot in SHOWN]
    assert "has samples of another recipe" in capsys.readouterr().err


@pytest.mark.parametrize("written", ["", "{", "[]\n", '{"question": 1}\n'])
def test_file_without_examples_raises_bad_shots(written: str, tmp_path: Path):
    path = tmp_path / "shots.jsonl"
    path.write_text(written)
    if not written:
        assert read_shots(path) == ()
        return
    with pytest.raises(BadShots, match="a row is not a JSON object"):
        read_shots(path)
    with pytest.raises(BadShots, match="cannot read"):
        read_shots(tmp_path / "none.jsonl")


def test_parse_spec_reads_json_values_and_words():
    assert parse_spec("countdown") == {"name": "countdown"}
    assert parse_spec("x:a=1,b=true,c=word,d=null,e=0.5") == {
        "name": "x",
        "a": 1,
        "b": True,
        "c": "word",
        "d": None,
        "e": 0.5,
    }
    with pytest.raises(BadSpec, match="nonsense is not option=value"):
        parse_spec("x:nonsense")
