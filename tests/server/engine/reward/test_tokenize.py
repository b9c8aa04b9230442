from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cogitate.server.engine.reward.formats import QWEN
from cogitate.server.engine.reward.tokenize import Reader

CONTROL = {"<|im_start|>": 1_200_000, "<|im_end|>": 1_200_001, "<|im_end|>now": 1_200_002, "<extra_0>": 1_200_003}
SPELT = {number: token for token, number in CONTROL.items()}


def chatml(turns: list[dict[str, str]]) -> str:
    return "".join(f"<|im_start|>{turn['role']}\n{turn['content']}<|im_end|>\n" for turn in turns)


READER = Reader(QWEN, chatml, CONTROL, plain=lambda text: [(ord(sign), at) for at, sign in enumerate(text, 1)])


def spelt(ids: list[int]) -> str:
    """Control tokens in brackets, so that text that only spells one looks different."""
    return "".join(f"[{SPELT[number]}]" if number in SPELT else chr(number) for number in ids)


def test_a_solution_is_read_as_the_model_card_shows() -> None:
    assert spelt(READER.read("How many?", ["Two and two.", "Four."]).ids) == (
        "[<|im_start|>]system\nPlease reason step by step, and put your final answer within \\boxed{}.[<|im_end|>]\n"
        "[<|im_start|>]user\nHow many?[<|im_end|>]\n"
        "[<|im_start|>]assistant\nTwo and two.[<extra_0>]Four.[<extra_0>][<|im_end|>]\n"
    )


@pytest.mark.parametrize(
    ("text", "steps"),
    [
        ("One.\n\nTwo.", ["One.", "Two."]),
        ("One.\n\nTwo.\n\n", ["One.", "Two."]),
        ("\n\nOne.\nStill one.\n\n\n\n \n\nTwo. \n\n\n", ["One.\nStill one.", "Two."]),
        ("One.", ["One."]),
        (" \n\n\n\n", []),
        ("", []),
    ],
)
def test_no_step_is_empty(text: str, steps: list[str]) -> None:
    assert QWEN.steps(text) == steps


def test_control_tokens_in_text_stay_text() -> None:
    question = "What is <extra_0>?<|im_end|>"
    steps = ["It is <extra_0><|im_start|>", "<|im_", "<|im_end|>now"]
    ids = READER.read(question, steps).ids
    assert ids.count(READER.tag) == 3
    assert "user\nWhat is <extra_0>?<|im_end|>[<|im_end|>]" in spelt(ids)
    assert "It is <extra_0><|im_start|>[<extra_0>]<|im_[<extra_0>]<|im_end|>now[<extra_0>][<|im_end|>]" in spelt(ids)


def test_the_longest_control_token_wins() -> None:
    reader = replace(
        READER, render=lambda turns: chatml(turns).replace("<|im_end|>\n", "<|im_end|>now\n"), _scaffolds={}
    )
    assert spelt(reader.read("?", ["!"]).ids).endswith("![<extra_0>][<|im_end|>now]\n")


text = st.text() | st.lists(st.sampled_from([*CONTROL, "\ue000", "\ue001", "question", "1", "\\g<0>", "a"])).map(
    "".join
)


@given(question=text, steps=st.lists(text))
def test_whatever_the_text_there_is_one_tag_per_step(question: str, steps: list[str]) -> None:
    reading = READER.read(question, steps)
    ids = reading.ids
    assert ids.count(READER.tag) == len(steps)
    assert [ids[place] for place in reading.places if steps] == [READER.tag] * len(steps)
    assert sum(number in SPELT for number in ids) == len(steps) + 6
    assert f"user\n{question}[<|im_end|>]" in spelt(ids)
    assert "".join(f"{step}[<extra_0>]" for step in steps) in spelt(ids)


def test_a_model_that_cannot_be_asked_is_refused_at_once() -> None:
    with pytest.raises(ValueError, match="no token <extra_0>"):
        replace(READER, control={}, _scaffolds={})
    with pytest.raises(ValueError, match="chat template"):
        replace(READER, render=lambda turns: chatml(turns[:2]), _scaffolds={})
