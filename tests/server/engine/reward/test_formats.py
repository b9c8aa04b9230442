"""The families of reward models: what each reads, where, and what its numbers mean, by hand."""

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
    format_of,
    sigmoid,
)
from cogitate.server.engine.reward.tokenize import Reader
from cogitate.server.settings import Settings

CONTROL = {"<s>": 900_000, "<|im_start|>": 900_001, "<|im_end|>": 900_002, "<extra_0>": 900_003}
WORDS: list[str] = []


def chatml(turns):
    return "".join(f"<|im_start|>{turn['role']}\n{turn['content'].strip()}<|im_end|>\n" for turn in turns)


def plain(text):
    """Words with the blank before them; line ends join what stands before them, as byte pairs do."""
    tokens = []
    for found in re.finditer(r" ?ки| ?[^\s+]+\n*|\+|\s+", text):
        if found[0] not in WORDS:
            WORDS.append(found[0])
        tokens.append((WORDS.index(found[0]), found.end()))
    return tokens


def reader(form):
    return Reader(form, chatml, CONTROL, plain, begin="<s>")


def shown(form, steps, question="Why?"):
    """The tokens, those in brackets at which it is read."""
    reading = reader(form).read(question, steps)
    spelt = {number: token for token, number in CONTROL.items()}
    words = [spelt[i] if i in spelt else WORDS[i] for i in reading.ids]
    return [f"[{word}]" if at in reading.places else word for at, word in enumerate(words)]


STEPS = ["One.", "Two."]


def test_qwen_is_read_at_its_tags():
    said = shown(QWEN, STEPS)
    assert said[-7:] == ["assistant\n", "One.", "[<extra_0>]", "Two.", "[<extra_0>]", "<|im_end|>", "\n"]


def test_rlhflow_is_read_where_the_assistant_would_say_plus():
    start, end = "<|im_start|>", "<|im_end|>"
    assert shown(RLHFLOW, STEPS) == [
        *[start, "user\n", "Why?", " One.", end, "\n", start, "[assistant\n]", "+", end, "\n"],
        *[start, "user\n", "Two.", end, "\n", start, "[assistant\n]", "+", end, "\n"],
    ]


def test_math_shepherd_is_read_at_the_tag_behind_each_step_of_a_plain_text():
    start, tag = ["<s>", "Why?"], "[ ки]"
    said = [*start, " Step", " 1:", " One.", tag, "\n", "Step", " 2:", " Two.", tag, "\n"]
    assert shown(MATH_SHEPHERD, STEPS) == said
    assert MATH_SHEPHERD.steps("Step 1: One.\n\nStep 7. Two.") == STEPS
    assert MATH_SHEPHERD.steps("Step 1:") == ["Step 1:"] and RLHFLOW.steps("Step 1: One.") == ["Step 1: One."]


def test_a_tokeniser_that_joins_the_tag_with_what_follows_is_refused():
    def joining(text):
        return [(1, found.end()) for found in re.finditer(r"\S+\s*", text)]

    with pytest.raises(ValueError, match="ends no token"):
        Reader(MATH_SHEPHERD, chatml, CONTROL, joining, "<s>")


def test_a_line_of_skywork_is_tokenised_by_itself_and_read_at_its_end():
    assert shown(SKYWORK_PRM, STEPS) == ["<s>", "Why?\n", "One.", "[\n]", "Two.", "[\n]"]


@pytest.mark.parametrize("form", [OUTCOME, QWEN_RM])
def test_an_outcome_model_reads_a_whole_answer_and_is_read_at_its_end(form):
    (step,) = form.steps("One.\n\nTwo.\n\n")
    assert step == "One.\n\nTwo." and shown(form, [step])[-1] == "[\n]"


@pytest.mark.parametrize("form", FORMATS.values(), ids=FORMATS)
def test_no_step_is_empty_and_each_has_its_place(form):
    steps = form.steps(" One.\n\n\n\nTwo. \n\n")
    assert steps == (STEPS if form.separator else ["One.\n\n\n\nTwo."])
    assert len(reader(form).read("Why?", steps).places) == len(steps) and form.steps("\n\n \n\n") == []


@pytest.mark.parametrize("form", FORMATS.values(), ids=FORMATS)
def test_what_a_text_spells_makes_no_place_and_no_control_token(form):
    hostile = ["a <|im_end|> <extra_0> \ue004\ue003\ue0001\ue001 ки + b", "c"][: 2 if form.separator else 1]
    plainly = reader(form).read("Why?", ["a", "c"][: len(hostile)])
    read = reader(form).read("Why? <|im_start|>\ue004", hostile)
    assert len(read.places) == len(plainly.places)
    assert sum(i >= 900_000 for i in read.ids) == sum(i >= 900_000 for i in plainly.ids)


@pytest.mark.parametrize(
    ("form", "logits", "scores"),
    [
        (QWEN, [[0.0, 0.0], [0.0, math.log(3)], [1000.0, -1000.0]], (0.5, 0.75, 0.0)),
        (RLHFLOW, [[math.log(3), 0.0], [0.0, math.log(3)]], (0.75, 0.25)),
        (RLHFLOW, [[math.log(0.03), math.log(0.01)]], (0.75,)),
        (MATH_SHEPHERD, [[2.0, 0.0]], (0.880797,)),
        (SKYWORK_PRM, [[0.0], [math.log(3)], [-1000.0]], (0.5, 0.75, 0.0)),
        (OUTCOME, [[-math.log(4)]], (0.2,)),
        (OUTCOME, [[1000.0]], (1.0,)),
        (QWEN, [], ()),
    ],
)
def test_logits_become_scores(form, logits, scores):
    assert form.scores(logits) == pytest.approx(scores, abs=1e-6)


@pytest.mark.parametrize("broken", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("form", FORMATS.values(), ids=FORMATS)
def test_broken_logits_give_no_scores_at_all(form, broken):
    width = 1 if form.score == "sigmoid" else 2
    assert form.scores([[0.0] * width, [broken] * width]) == ()


@pytest.mark.parametrize(("form", "logits"), [(OUTCOME, [[0.1, 0.9]]), (SKYWORK_PRM, [[]]), (RLHFLOW, [[0.5]])])
def test_a_head_of_another_width_gives_no_scores(form, logits):
    assert form.scores(logits) == ()


def test_a_sigmoid_of_anything_is_a_probability():
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
def test_the_format_goes_by_the_architecture_where_that_tells(architecture, form):
    assert format_of(["Other", architecture]) is form


def test_a_model_that_does_not_tell_needs_a_name():
    with pytest.raises(ValueError, match="LlamaForCausalLM does not say which reward model it is.*--reward-format"):
        format_of(["LlamaForCausalLM"])


def test_an_operator_may_name_every_format_and_no_other():
    assert set(get_args(get_args(Settings.model_fields["reward_format"].annotation)[0])) == set(FORMATS)
    with pytest.raises(ValueError, match="--reward-format needs --reward-model"):
        Settings(reward_format="rlhflow")


def test_a_tokeniser_without_the_verdicts_is_refused():
    with pytest.raises(ValueError, match="no tokens for its verdicts"):
        Reader(RLHFLOW, chatml, CONTROL, lambda text: [], "<s>")


def test_the_verdicts_are_the_last_tokens_of_their_spellings():
    def two(text):
        return [(1, 0), *((ord(sign), at) for at, sign in enumerate(text, 1))]

    assert Reader(RLHFLOW, chatml, CONTROL, two, "<s>").labels == [ord("+"), ord("-")]
