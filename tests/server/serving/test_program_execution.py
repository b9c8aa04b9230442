"""Who may have programs run, what is asked of their fields, and one that really runs."""

import pytest

from cogitate.server.auth.caller import Caller
from cogitate.server.auth.key_limits import KeyLimits
from cogitate.server.engine import ModelCard
from cogitate.server.errors import ApiError
from cogitate.server.planning.plan import build_plan
from cogitate.server.protocol.chat import ChatRequest
from cogitate.server.settings import Settings
from cogitate.strategies.verifiers import BUILT_IN
from tests.fakes.live_server import live
from tests.fakes.scripted import HerePrograms, ScriptedEngine
from tests.server.sandbox.backends import reason_not_to
from tests.strategies.test_program_aided import program

HELLO = {"model": "tiny", "messages": [{"role": "user", "content": "hello"}]}
TOOL = {"type": "function", "function": {"name": "weather"}}
ON = Settings(code_exec="bwrap")


def planned(settings=ON, caller=Caller(), **fields):  # noqa: B008 a value
    request = ChatRequest.model_validate(HELLO | {"strategy": "program_aided"} | fields)
    return build_plan(request, ModelCard("tiny", "r", 4096, 0), settings, BUILT_IN, caller)


def refusal(**options):
    with pytest.raises(ApiError) as refused:
        planned(**options)
    return refused.value


def test_off_is_a_400_that_says_so():
    refused = refusal(settings=Settings())
    assert (refused.status, refused.param) == (400, "strategy") and "--code-exec off" in refused.message


def test_a_key_needs_the_right():
    refused = refusal(caller=Caller("acme", "k"))
    assert refused.status == 403 and "code=true" in refused.message
    assert planned(caller=Caller("acme", "k", limits=KeyLimits(code=True))).strategy
    assert planned(caller=Caller()).strategy, "without a keys file there is nobody to ask"


@pytest.mark.parametrize(
    ("field", "value"),
    [("tools", [TOOL]), ("response_format", {"type": "json_object"}), ("logprobs", True), ("n", 9)],
)
def test_what_a_program_cannot_honour_is_refused_by_name(field, value):
    assert refusal(**{field: value}).param == field


TESTED = {"name": "best_of_n", "verifier": "unit_tests", "tests": ["assert f(1) == 1"]}


@pytest.mark.parametrize(
    ("changed", "param"),
    [
        ({"tests": []}, "strategy.tests"),
        ({"verifier": "programmatic"}, "strategy.tests"),
        ({"n": 65}, "strategy.n"),
        ({"name": "beam_search"}, "strategy.verifier"),
        ({"verifier": "unit_tests+magic"}, "strategy.verifier"),
    ],
)
def test_unit_tests_have_tests_and_tests_a_runner(changed, param):
    assert refusal(strategy=TESTED | changed).param == param
    assert planned(strategy=TESTED).strategy.program_runs == 8


def test_unit_tests_need_the_sandbox_and_the_right():
    assert "--code-exec off" in refusal(settings=Settings(), strategy=TESTED).message
    assert refusal(caller=Caller("acme", "k"), strategy=TESTED).status == 403


@pytest.mark.parametrize("options", [{"n": 65}, {"n": 0}, {"chains": 65}, {"chains": -1}, {"tests": []}])
def test_absurd_options_are_refused(options):
    assert refusal(strategy={"name": "program_aided"} | options).param == f"strategy.{next(iter(options))}"


@pytest.mark.live
def test_the_answer_is_the_value_and_the_trace_tells_of_the_runs():
    with live(
        ScriptedEngine([program("6 * 7"), program("1 / 0")]), code_exec="bwrap", wait_until_ready=False
    ) as server:
        if reason_not_to("bwrap"):
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
        reasons = [event["reason"] for event in trace["events"] if event["event"] == "executed"]
        assert sorted(reasons) == ["error", "ok"]


@pytest.mark.live
def test_what_could_not_be_run_is_not_kept():
    class Refusing(HerePrograms):
        async def run(self, source, *, stdin=""):
            ran = await HerePrograms.run(self, source)
            return type(ran)("", "refused", 0.0, "the executor cannot be reached")

    with live(ScriptedEngine([program("42")])) as server:
        server.service.settings = server.service.settings.model_copy(update={"code_exec": "bwrap"})
        server.service.programs = Refusing()
        first = server.ask(strategy={"name": "program_aided", "n": 1}).json()
        assert first["cogitate"]["answer"] is None
        server.service.programs = HerePrograms()
        assert server.ask(strategy={"name": "program_aided", "n": 1}).json()["cogitate"]["answer"] == "42"
