import math

import pytest

from cogitate.strategies.core.logprobs import TokenLogprob
from cogitate.strategies.core.types import Completion
from cogitate.strategies.thinking.early_exit import DEER_THRESHOLD, is_stable, parse_probe_answer, probe_confidence
from tests.fakes.run import QUESTION


def probe(*tokens):
    text = "".join(word for word, _ in tokens)
    logprobs = tuple(TokenLogprob(0, word, math.log(p)) for word, p in tokens)
    return Completion(prompt=QUESTION, text=text, finish="length", logprobs=logprobs)


@pytest.mark.parametrize(
    ("text", "answer"),
    [("42} so", "42"), ("\\frac{1}{2}}", "\\frac{1}{2}"), (" } ", ""), ("42", None), ("{42}", None), ("", None)],
)
def test_the_answer_ends_where_the_probes_own_box_does(text, answer):
    assert parse_probe_answer(text) == answer


@pytest.mark.parametrize(
    ("tokens", "sure"),
    [
        ([("42", 0.99), ("}", 0.1), (" so", 0.1)], 0.99),
        ([("42}", 0.97)], 0.97),
        ([("1", 0.9), ("2", 0.4), ("}", 1.0)], 0.6),
        ([("}", 1.0)], 0.0),
        ([("42", 1.0)], 0.0),
        ([("{", 0.9), ("x", 0.9), ("}", 0.9), ("}", 0.1)], 0.9),
        ([], 0.0),
    ],
)
def test_how_sure_an_answer_is_counts_its_own_tokens_however_few(tokens, sure):
    assert probe_confidence(probe(*tokens)) == pytest.approx(sure)


def test_an_answer_without_log_probabilities_is_not_sure():
    assert probe_confidence(Completion(prompt=QUESTION, text="42}", finish="stop")) == 0.0 < DEER_THRESHOLD


@pytest.mark.parametrize(
    ("answers", "over"),
    [
        (["1", "1", "1"], True),
        (["2", "1", "1", "1"], True),
        (["1", "1"], False),
        (["1", "1", "2"], False),
        (["", "", ""], False),
        ([None, None, None], False),
        (["Wait", "Wait", "Wait"], False),
        (["no, 3", "no, 3", "no, 3"], False),
        (["nobody", "nobody", "nobody"], True),
        ([], False),
    ],
)
def test_probes_agree_when_three_in_a_row_say_the_same_and_do_not_doubt_it(answers, over):
    assert is_stable(answers) is over
