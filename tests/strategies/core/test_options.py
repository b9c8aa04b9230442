import pytest
from pydantic import ValidationError

from cogitate.strategies import STRATEGIES, parse
from cogitate.strategies.best_of_n import BestOfN
from cogitate.strategies.core.prompt import Message, Prompt

ASK = Prompt((Message("user", "Q"),))


@pytest.mark.parametrize("strategy", STRATEGIES.values(), ids=STRATEGIES)
def test_strategy_is_frozen_and_documented(strategy):
    value = strategy()
    assert value == strategy() and value.paper.startswith("arXiv:")
    assert (strategy.__doc__ or "").endswith(".") and "\n" not in strategy.__doc__
    assert strategy.when and strategy.when_not and strategy.cost_note
    assert [name for name, option in strategy.model_fields.items() if not option.description] == ["name"]
    with pytest.raises(ValidationError):
        value.name = "other"
    assert parse.validate_python(value.model_dump()) == value


@pytest.mark.parametrize("strategy", STRATEGIES.values(), ids=STRATEGIES)
def test_cost_grows_with_the_length_of_an_answer(strategy):
    assert 10 <= strategy().cost(10) < strategy().cost(100)


def test_strategy_declares_its_verifiers():
    assert BestOfN().verifiers == ("judge",) and BestOfN(verifier="reward").verifiers == ("reward",)
    assert STRATEGIES["self_consistency"]().verifiers == ()


def test_default_instruction_follows_the_answer_format():
    assert "boxed" in BestOfN().instruct(ASK).messages[0].text
    assert "letter" in BestOfN(answer_format="choice").instruct(ASK).messages[0].text
    assert BestOfN(answer_format="json").instruct(ASK) == ASK
    assert BestOfN(instruction=" Go.").instruct(ASK).messages[0].text == "Q Go."


@pytest.mark.parametrize("verifier", ["unit_tests", "unit_tests+judge", "judge+unit_tests"])
def test_unit_tests_verifier_asks_for_a_program_instead_of_a_box(verifier: str):
    text = BestOfN(verifier=verifier).instruct(ASK).messages[0].text
    assert "```python" in text and "boxed" not in text


@pytest.mark.parametrize("verifier", ["json", "json_schema", "judge+json_schema"])
def test_json_verifiers_ask_for_no_box(verifier: str):
    assert BestOfN(verifier=verifier).instruct(ASK) == ASK


def test_instruction_and_format_of_the_client_take_precedence():
    assert BestOfN(verifier="unit_tests", instruction=" Go.").instruct(ASK).messages[0].text == "Q Go."
    assert "boxed" in BestOfN(verifier="unit_tests", answer_format="number").instruct(ASK).messages[0].text
    assert "boxed" in BestOfN(verifier="number").instruct(ASK).messages[0].text
