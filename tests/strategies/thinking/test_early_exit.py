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
def test_probe_answer_ends_at_the_brace_that_closes_the_probe(text, answer):
    assert parse_probe_answer(text) == answer


@pytest.mark.parametrize(
    ("tokens", "confidence"),
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
def test_probe_confidence_uses_only_the_tokens_of_the_answer(tokens, confidence):
    assert probe_confidence(probe(*tokens)) == pytest.approx(confidence)


def test_probe_without_logprobs_has_confidence_0():
    assert probe_confidence(Completion(prompt=QUESTION, text="42}", finish="stop")) == 0.0 < DEER_THRESHOLD


@pytest.mark.parametrize(
    ("answers", "stable"),
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
def test_probes_are_stable_after_three_equal_answers_without_doubt(answers, stable):
    assert is_stable(answers) is stable
