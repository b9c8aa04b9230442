import pytest
from pydantic import ValidationError

from cogitate.strategies.best_of_n import BestOfN
from cogitate.strategies.core.programs import NoPrograms
from cogitate.strategies.verifiers import BUILT_IN
from tests.fakes.run import QUESTION

TESTS = ("assert f(2) == 4",)


def test_option_verifiers_name_the_option_they_need():
    strategy = BestOfN(verifier="regex+judge", pattern="a")
    assert strategy.verifier_parts == ("regex", "judge")
    assert strategy.option_verifiers == {
        "unit_tests": ("tests", False),
        "regex": ("pattern", True),
        "json_schema": ("json_schema", False),
    }


def test_only_unit_tests_run_programs():
    assert BestOfN(n=3, verifier="unit_tests+judge", tests=TESTS).program_runs == 3
    assert BestOfN(n=3, verifier="judge", tests=TESTS).program_runs == 0


def test_served_verifiers_are_extended_by_those_of_the_options():
    strategy = BestOfN(verifier="unit_tests+judge", tests=TESTS, pattern="a", json_schema={})
    verifiers = strategy.build_verifiers(BUILT_IN, NoPrograms())
    assert verifiers.keys() - BUILT_IN.keys() == {"unit_tests", "regex", "json_schema", "unit_tests+judge"}


@pytest.mark.parametrize(
    ("options", "message"),
    [({"pattern": "("}, "pattern\n.*invalid pattern"), ({"json_schema": {"typ": 1}}, "json_schema\n.*unsupported")],
)
def test_invalid_pattern_or_schema_is_rejected_with_its_field(options, message):
    with pytest.raises(ValidationError, match=message):
        BestOfN(**options)


@pytest.mark.parametrize(("options", "instruction"), [({}, ""), ({"instruction": "Be brief."}, "Be brief.")])
def test_json_check_replaces_the_default_instruction_only(options, instruction):
    text = BestOfN(verifier="json", **options).instruct(QUESTION).messages[-1].text
    assert text.removeprefix(QUESTION.messages[-1].text).strip() == instruction


def test_answer_format_of_the_client_decides_the_instruction():
    text = BestOfN(verifier="json", answer_format="boxed").instruct(QUESTION).messages[-1].text
    assert len(text) > len(QUESTION.messages[-1].text)
