import pytest

from cogitate.strategies.core.prompt import Prompt
from cogitate.strategies.core.types import Completion
from cogitate.strategies.verifiers.programmatic import Programmatic, score_steps, split_steps


def test_each_equation_changes_the_score_of_its_step():
    assert score_steps(["no equation"]) == [0.5]
    assert score_steps(["1+1=2"]) == [0.75]
    assert score_steps(["1+1=3"]) == [0.25]
    assert score_steps(["1+1=2", "words", "2+2=5"]) == [0.75, 0.75, 0.5]


def test_trailing_separator_adds_no_empty_step():
    assert split_steps("a\n\nb\n\n") == ["a", "b"] and split_steps("\n\n") == []


async def test_programmatic_verifier_scores_steps_without_the_engine():
    solutions = [Completion(prompt=Prompt(()), text=text, finish="stop") for text in ("1+1=2\n\n2+2=4", "1+1=3")]

    async def refuse_verdicts(prompts, labels):
        raise AssertionError

    good, bad = await Programmatic().judge(Prompt(()), solutions, refuse_verdicts)
    assert good.steps == (0.75, pytest.approx(5 / 6)) and bad.steps == (0.25,) and good.tokens == 0
