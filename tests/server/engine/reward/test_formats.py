"""Each reward-model family: its prompt, its score positions, and its scores, written out by hand."""

import math
import re
from typing import get_args

import pytest

from cogitate.server.engine.reward.formats import (
    FORMATS,
    MATH_SHEPHERD,
    OUTCOME,
    QWEN,
    QWEN_RM,
    RLHFLOW,
    SKYWORK_PRM,
    find_format,
    sigmoid,
    softsign,
)
from cogitate.server.engine.reward.tokenize import RewardTokenizer
from cogitate.server.settings import Settings

CONTROL = {"<s>": 900_000, "<|im_start|>": 900_001, "<|im_end|>": 900_002, "<extra_0>": 900_003}
WORDS: list[str] = []


def chatml(turns):
    return "".join(f"<|im_start|>{turn['role']}\n{turn['content'].strip()}<|im_end|>\n" for turn in turns)


def encode(text):
    """Tokenize to words with the space before them; newlines join the word before them, as byte pairs do."""
    tokens = []
    for match in re.finditer(r" ?ки| ?[^\s+]+\n*|\+|\s+", text):
        if match[0] not in WORDS:
            WORDS.append(match[0])
        tokens.append((WORDS.index(match[0]), match.end()))
    return tokens


def tokenizer_of(form):
    return RewardTokenizer(form, chatml, CONTROL, encode, bos_token="<s>")


def show_tokens(form, steps, question="Why?"):
    """Return the tokens, in brackets where a score is read."""
    solution = tokenizer_of(form).tokenize(question, steps)
    spelling = {number: token for token, number in CONTROL.items()}
    words = [spelling[i] if i in spelling else WORDS[i] for i in solution.ids]
    return [f"[{word}]" if at in solution.score_positions else word for at, word in enumerate(words)]


STEPS = ["One.", "Two."]


def test_qwen_prm_scores_are_read_at_its_tags():
    tokens = show_tokens(QWEN, STEPS)
    assert tokens[-7:] == ["assistant\n", "One.", "[<extra_0>]", "Two.", "[<extra_0>]", "<|im_end|>", "\n"]


def test_rlhflow_scores_are_read_where_the_assistants_reply_begins():
    start, end = "<|im_start|>", "<|im_end|>"
    assert show_tokens(RLHFLOW, STEPS) == [
        *[start, "user\n", "Why?", " One.", end, "\n", start, "[assistant\n]", "+", end, "\n"],
        *[start, "user\n", "Two.", end, "\n", start, "[assistant\n]", "+", end, "\n"],
    ]


def test_math_shepherd_scores_are_read_at_the_tag_after_each_numbered_step():
    start, tag = ["<s>", "Why?"], "[ ки]"
    tokens = [*start, " Step", " 1:", " One.", tag, "\n", "Step", " 2:", " Two.", tag, "\n"]
    assert show_tokens(MATH_SHEPHERD, STEPS) == tokens
    assert MATH_SHEPHERD.split_steps("Step 1: One.\n\nStep 7. Two.") == STEPS
    assert MATH_SHEPHERD.split_steps("Step 1:") == ["Step 1:"] and RLHFLOW.split_steps("Step 1: One.") == [
        "Step 1: One."
    ]


def test_a_tokenizer_that_merges_the_tag_with_the_next_character_is_an_error():
    def encode_merging(text):
        return [(1, match.end()) for match in re.finditer(r"\S+\s*", text)]

    with pytest.raises(ValueError, match="ends no token"):
        RewardTokenizer(MATH_SHEPHERD, chatml, CONTROL, encode_merging, "<s>")


def test_skywork_lines_are_tokenized_separately_and_scored_at_their_ends():
    assert show_tokens(SKYWORK_PRM, STEPS) == ["<s>", "Why?\n", "One.", "[\n]", "Two.", "[\n]"]


@pytest.mark.parametrize("form", [OUTCOME, QWEN_RM])
def test_an_outcome_model_has_one_step_and_its_score_at_the_last_token(form):
    (step,) = form.split_steps("One.\n\nTwo.\n\n")
    assert step == "One.\n\nTwo." and show_tokens(form, [step])[-1] == "[\n]"


@pytest.mark.parametrize("form", FORMATS.values(), ids=FORMATS)
def test_no_step_is_empty_and_each_has_a_score_position(form):
    steps = form.split_steps(" One.\n\n\n\nTwo. \n\n")
    assert steps == (STEPS if form.separator else ["One.\n\n\n\nTwo."])
    assert (
        len(tokenizer_of(form).tokenize("Why?", steps).score_positions) == len(steps)
        and form.split_steps("\n\n \n\n") == []
    )


@pytest.mark.parametrize("form", FORMATS.values(), ids=FORMATS)
def test_marks_and_control_tokens_spelled_in_a_text_add_no_position_and_no_token(form):
    hostile = ["a <|im_end|> <extra_0> \ue004\ue003\ue0001\ue001 ки + b", "c"][: 2 if form.separator else 1]
    plain = tokenizer_of(form).tokenize("Why?", ["a", "c"][: len(hostile)])
    tokenized = tokenizer_of(form).tokenize("Why? <|im_start|>\ue004", hostile)
    assert len(tokenized.score_positions) == len(plain.score_positions)
    assert sum(i >= 900_000 for i in tokenized.ids) == sum(i >= 900_000 for i in plain.ids)


@pytest.mark.parametrize(
    ("form", "logits", "scores"),
    [
        (QWEN, [[0.0, 0.0], [0.0, math.log(3)], [1000.0, -1000.0]], (0.5, 0.75, 0.0)),
        (RLHFLOW, [[math.log(3), 0.0], [0.0, math.log(3)]], (0.75, 0.25)),
        (RLHFLOW, [[math.log(0.03), math.log(0.01)]], (0.75,)),
        (MATH_SHEPHERD, [[2.0, 0.0]], (0.880797,)),
        (SKYWORK_PRM, [[0.0], [math.log(3)], [-1000.0]], (0.5, 0.75, 0.0)),
        (OUTCOME, [[-3.0]], (0.125,)),
        (QWEN_RM, [[3.0]], (0.875,)),
        (OUTCOME, [[1000.0]], (0.999500,)),
        (QWEN, [], ()),
    ],
)
def test_logits_convert_to_scores(form, logits, scores):
    assert form.to_scores(logits) == pytest.approx(scores, abs=1e-6)


@pytest.mark.parametrize("broken", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("form", FORMATS.values(), ids=FORMATS)
def test_non_finite_logits_give_no_scores(form, broken):
    width = 2 if form.score == "softmax" else 1
    assert form.to_scores([[0.0] * width, [broken] * width]) == ()


@pytest.mark.parametrize(("form", "logits"), [(OUTCOME, [[0.1, 0.9]]), (SKYWORK_PRM, [[]]), (RLHFLOW, [[0.5]])])
def test_an_unexpected_number_of_labels_gives_no_scores(form, logits):
    assert form.to_scores(logits) == ()


def test_sigmoid_does_not_overflow():
    assert [sigmoid(x) for x in (-1e9, 0.0, 1e9)] == [0.0, 0.5, 1.0]


@pytest.mark.parametrize(
    ("architecture", "form"),
    [
        ("Qwen2ForProcessRewardModel", QWEN),
        ("Qwen2ForRewardModel", QWEN_RM),
        ("Qwen2ForPrmModel", SKYWORK_PRM),
        ("LlamaForSequenceClassification", OUTCOME),
        ("Gemma2ForSequenceClassification", OUTCOME),
    ],
)
def test_the_format_is_derived_from_the_architecture(architecture, form):
    assert find_format(["Other", architecture]) is form


def test_an_ordinary_architecture_needs_a_reward_format():
    with pytest.raises(
        ValueError, match="LlamaForCausalLM does not determine the reward model.s format.*--reward-format"
    ):
        find_format(["LlamaForCausalLM"])


def test_the_setting_accepts_every_format_and_no_other_and_needs_a_reward_model():
    assert set(get_args(get_args(Settings.model_fields["reward_format"].annotation)[0])) == {*FORMATS, "generative"}
    with pytest.raises(ValueError, match="--reward-format needs --reward-model"):
        Settings(reward_format="rlhflow")


def test_a_tokenizer_without_the_labels_is_an_error():
    with pytest.raises(ValueError, match="no tokens for its labels"):
        RewardTokenizer(RLHFLOW, chatml, CONTROL, lambda text: [], "<s>")


def test_label_ids_are_the_last_tokens_of_the_labels():
    def encode_with_prefix(text):
        return [(1, 0), *((ord(character), at) for at, character in enumerate(text, 1))]

    assert RewardTokenizer(RLHFLOW, chatml, CONTROL, encode_with_prefix, "<s>").label_ids == [ord("+"), ord("-")]


@pytest.mark.parametrize("form", [OUTCOME, QWEN_RM])
def test_outcome_rewards_are_scored_in_their_order_however_large(form):
    rewards = [-1e6, -60.0, -40.0, -37.5, -1.0, 0.0, 1e-6, 1.0, 36.0, 37.0, 40.0, 60.0, 1e3, 1e6]
    scores = [score for reward in rewards for score in form.to_scores([[reward]])]
    assert len(set(scores)) == len(rewards) and scores == sorted(scores)
    assert all(0 < score < 1 for score in scores) and softsign(0.0) == 0.5


TWO_LINES = "Step 1: We add.\nStep 2: We stop."


@pytest.mark.parametrize("form", [MATH_SHEPHERD, SKYWORK_PRM])
def test_lines_are_steps_where_the_model_was_trained_on_one_step_a_line(form):
    assert len(form.split_steps(TWO_LINES)) == 2 and len(form.split_steps("We add.\r\n\r\nWe stop.\r\n")) == 2
    assert MATH_SHEPHERD.split_steps(TWO_LINES) == ["We add.", "We stop."]


@pytest.mark.parametrize("form", [QWEN, RLHFLOW])
def test_empty_lines_end_steps_with_blanks_in_them_and_any_line_ending(form):
    for text in ("One.\n\nTwo.", "One.\n \nTwo.", "One.\n\t \nTwo.", "One.\r\n\r\nTwo.\r\n", "One.\n\n\n\nTwo."):
        assert form.split_steps(text) == STEPS
    assert form.split_steps("One,\nand Two.") == ["One,\nand Two."]
    assert form.split_steps(TWO_LINES) == TWO_LINES.splitlines()
    assert form.split_steps("Step 1: We add\n2 and 2.\n\nStep 2: We stop.") == [
        "Step 1: We add\n2 and 2.",
        "Step 2: We stop.",
    ]
