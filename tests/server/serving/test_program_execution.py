"""Program execution: which keys may use it, which fields it accepts, and one program that really runs."""

import pytest

from cogitate.server.auth.caller import Caller
from cogitate.server.auth.key_limits import KeyLimits
from cogitate.server.engine import ModelCard
from cogitate.server.errors import ApiError
from cogitate.server.planning.request_plan import build_plan
from cogitate.server.protocol.chat import ChatRequest
from cogitate.server.settings import Settings
from cogitate.strategies.core.scripted import ScriptedEngine
from cogitate.strategies.verifiers import BUILT_IN
from tests.fakes.live_server import live
from tests.fakes.programs import InProcessPrograms
from tests.server.sandbox.backends import unavailable_reason
from tests.strategies.test_program_aided import program

HELLO = {"model": "tiny", "messages": [{"role": "user", "content": "hello"}]}
TOOL = {"type": "function", "function": {"name": "weather"}}
ON = Settings(code_exec="bwrap")


def build(settings=ON, caller=Caller(), **fields):  # noqa: B008 a value
    request = ChatRequest.model_validate(HELLO | {"strategy": "program_aided"} | fields)
    return build_plan(request, ModelCard("tiny", "r", 4096, 0), settings, BUILT_IN, caller)


def refusal(**options):
    with pytest.raises(ApiError) as refused:
        build(**options)
    return refused.value


def test_program_aided_without_code_exec_is_a_400_that_names_the_flag():
    refused = refusal(settings=Settings())
    assert (refused.status, refused.param) == (400, "strategy") and "--code-exec off" in refused.message


def test_a_key_needs_the_code_permission():
    refused = refusal(caller=Caller("acme", "k"))
    assert refused.status == 403 and "code=true" in refused.message
    assert build(caller=Caller("acme", "k", limits=KeyLimits(code=True))).strategy
    assert build(caller=Caller()).strategy, "without a keys file there are no permissions"


@pytest.mark.parametrize(
    ("field", "value"),
    [("tools", [TOOL]), ("response_format", {"type": "json_object"}), ("logprobs", True), ("n", 9)],
)
def test_a_field_that_programs_cannot_honour_is_a_400_with_its_param(field, value):
    assert refusal(**{field: value}).param == field


TESTED = {"name": "best_of_n", "verifier": "unit_tests", "tests": ["assert f(1) == 1"]}


@pytest.mark.parametrize(
    ("change", "param"),
    [
        ({"tests": []}, "strategy.tests"),
        ({"verifier": "programmatic"}, "strategy.tests"),
        ({"n": 65}, "strategy.n"),
        ({"name": "beam_search"}, "strategy.verifier"),
        ({"verifier": "unit_tests+magic"}, "strategy.verifier"),
    ],
)
def test_the_unit_test_verifier_and_its_tests_need_each_other(change, param):
    assert refusal(strategy=TESTED | change).param == param
    assert build(strategy=TESTED).strategy.program_runs == 8


def test_unit_tests_need_code_exec_and_the_code_permission():
    assert "--code-exec off" in refusal(settings=Settings(), strategy=TESTED).message
    assert refusal(caller=Caller("acme", "k"), strategy=TESTED).status == 403


@pytest.mark.parametrize("options", [{"n": 65}, {"n": 0}, {"chains": 65}, {"chains": -1}, {"tests": []}])
def test_an_option_out_of_range_is_a_400_with_its_param(options):
    assert refusal(strategy={"name": "program_aided"} | options).param == f"strategy.{next(iter(options))}"


@pytest.mark.live
def test_the_answer_is_the_programs_value_and_the_trace_has_its_runs():
    with live(
        ScriptedEngine([program("6 * 7"), program("1 / 0")]), code_exec="bwrap", wait_until_ready=False
    ) as server:
        if unavailable_reason("bwrap"):
            pytest.skip("no bwrap here")
        vote = {"name": "program_aided", "n": 2, "stop_rule": "none", "return_candidates": True}
        while not server.service.ready:
            pass
        answer = server.ask(strategy=vote, headers={"X-Request-Id": "programs"})
        body = answer.json()
        assert body["cogitate"]["answer"] == "42"
        assert body["choices"][0]["message"]["content"].endswith("The answer is 42.")
        assert [sample["answer"] for sample in body["cogitate"]["samples"]].count("42") == 1
        trace = server.http.get(f"{server.url}/v1/traces/programs").json()
        reasons = [event["reason"] for event in trace["events"] if event["kind"] == "execution"]
        assert sorted(reasons) == ["error", "ok"]


@pytest.mark.live
def test_an_answer_whose_program_the_sandbox_refused_is_not_cached():
    class Refusing(InProcessPrograms):
        async def run(self, source, *, stdin=""):
            ran = await InProcessPrograms.run(self, source)
            return type(ran)("", "refused", 0.0, "the executor cannot be reached")

    with live(ScriptedEngine([program("42")])) as server:
        server.service.settings = server.service.settings.model_copy(update={"code_exec": "bwrap"})
        server.service.runner.programs = Refusing()
        first = server.ask(strategy={"name": "program_aided", "n": 1}).json()
        assert first["cogitate"]["answer"] is None
        server.service.runner.programs = InProcessPrograms()
        assert server.ask(strategy={"name": "program_aided", "n": 1}).json()["cogitate"]["answer"] == "42"
