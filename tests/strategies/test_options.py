import pytest
from pydantic import ValidationError

from strategies import STRATEGIES, parse
from strategies.best_of_n import BestOfN
from strategies.types import Message, Prompt

ASK = Prompt((Message("user", "Q"),))


@pytest.mark.parametrize("strategy", STRATEGIES.values(), ids=STRATEGIES)
def test_a_strategy_is_a_frozen_value_that_documents_itself(strategy):
    value = strategy()
    assert value == strategy() and value.paper.startswith("arXiv:") and (strategy.__doc__ or "").endswith(".")
    with pytest.raises(ValidationError):
        value.name = "other"
    assert parse.validate_python(value.model_dump()) == value


@pytest.mark.parametrize("strategy", STRATEGIES.values(), ids=STRATEGIES)
def test_the_cost_grows_with_the_length_of_an_answer(strategy):
    assert 10 <= strategy().cost(10) < strategy().cost(100)


def test_the_verifiers_a_strategy_may_call_are_known_before():
    assert BestOfN().verifiers == ("judge",) and BestOfN(verifier="reward").verifiers == ("reward",)
    assert STRATEGIES["self_consistency"]().verifiers == ()


def test_an_instruction_fits_the_answers_format():
    assert "boxed" in BestOfN().instructed(ASK).messages[0].text
    assert "letter" in BestOfN(answer_format="choice").instructed(ASK).messages[0].text
    assert BestOfN(answer_format="json").instructed(ASK) == ASK
    assert BestOfN(instruction=" Go.").instructed(ASK).messages[0].text == "Q Go."
