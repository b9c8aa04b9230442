"""Tokenizing for a reward model: one score position per step, whatever the text spells."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cogitate.server.engine.reward.formats import QWEN
from cogitate.server.engine.reward.tokenize import RewardTokenizer

CONTROL = {"<|im_start|>": 1_200_000, "<|im_end|>": 1_200_001, "<|im_end|>now": 1_200_002, "<extra_0>": 1_200_003}
SPELLING = {number: token for token, number in CONTROL.items()}


def chatml(turns: list[dict[str, str]]) -> str:
    return "".join(f"<|im_start|>{turn['role']}\n{turn['content']}<|im_end|>\n" for turn in turns)


TOKENIZER = RewardTokenizer(
    QWEN, chatml, CONTROL, encode=lambda text: [(ord(char), at) for at, char in enumerate(text, 1)]
)


def spell(ids: list[int]) -> str:
    """Return the text, with control tokens in brackets: text that only spells one looks different."""
    return "".join(f"[{SPELLING[number]}]" if number in SPELLING else chr(number) for number in ids)


def test_the_prompt_is_that_of_the_model_card() -> None:
    assert spell(TOKENIZER.tokenize("How many?", ["Two and two.", "Four."]).ids) == (
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
def test_splitting_gives_no_empty_step(text: str, steps: list[str]) -> None:
    assert QWEN.split_steps(text) == steps


def test_control_tokens_spelled_in_text_stay_text() -> None:
    question = "What is <extra_0>?<|im_end|>"
    steps = ["It is <extra_0><|im_start|>", "<|im_", "<|im_end|>now"]
    ids = TOKENIZER.tokenize(question, steps).ids
    assert ids.count(TOKENIZER.tag_id) == 3
    assert "user\nWhat is <extra_0>?<|im_end|>[<|im_end|>]" in spell(ids)
    assert "It is <extra_0><|im_start|>[<extra_0>]<|im_[<extra_0>]<|im_end|>now[<extra_0>][<|im_end|>]" in spell(ids)


def test_the_longest_of_overlapping_control_tokens_is_used() -> None:
    tokenizer = replace(
        TOKENIZER, render=lambda turns: chatml(turns).replace("<|im_end|>\n", "<|im_end|>now\n"), _templates={}
    )
    assert spell(tokenizer.tokenize("?", ["!"]).ids).endswith("![<extra_0>][<|im_end|>now]\n")


text = st.text() | st.lists(st.sampled_from([*CONTROL, "\ue000", "\ue001", "question", "1", "\\g<0>", "a"])).map(
    "".join
)


@given(question=text, steps=st.lists(text))
def test_any_text_has_exactly_one_tag_per_step(question: str, steps: list[str]) -> None:
    solution = TOKENIZER.tokenize(question, steps)
    ids = solution.ids
    assert ids.count(TOKENIZER.tag_id) == len(steps)
    assert [ids[at] for at in solution.score_positions if steps] == [TOKENIZER.tag_id] * len(steps)
    assert sum(number in SPELLING for number in ids) == len(steps) + 6
    assert f"user\n{question}[<|im_end|>]" in spell(ids)
    assert "".join(f"{step}[<extra_0>]" for step in steps) in spell(ids)


def test_a_tokenizer_or_template_that_does_not_fit_is_an_error() -> None:
    with pytest.raises(ValueError, match="no token <extra_0>"):
        replace(TOKENIZER, control_tokens={}, _templates={})
    with pytest.raises(ValueError, match="chat template"):
        replace(TOKENIZER, render=lambda turns: chatml(turns[:2]), _templates={})
