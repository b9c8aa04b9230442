import dataclasses

import pytest

from cogitate.strategies.answers import Answer
from cogitate.strategies.answers.answer import is_placeholder


def test_answer_is_frozen() -> None:
    answer = Answer(r"\frac12", r"\frac{1}{2}", "boxed")
    assert answer == Answer(r"\frac12", r"\frac{1}{2}", "boxed")
    with pytest.raises(dataclasses.FrozenInstanceError):
        answer.key = "1"  # type: ignore[misc]
    assert not hasattr(answer, "__dict__")


@pytest.mark.parametrize("raw", ["", " ", "...", "[your answer]", "<answer>", r"\phantom{2}", "$", "?", "Your answer"])
def test_repeated_instructions_are_placeholders(raw: str) -> None:
    assert is_placeholder(raw)


@pytest.mark.parametrize("raw", ["0", "x", "yes", "[1]", "the answer key"])
def test_answers_are_not_placeholders(raw: str) -> None:
    assert not is_placeholder(raw)
