"""What OpenAI's fields mean under a strategy: several answers, tools, JSON, effort, presets, lacking abilities."""

import json
from dataclasses import replace

import pytest
from pydantic import ValidationError

from cogitate.server.auth.caller import Caller
from cogitate.server.engine import ModelCard
from cogitate.server.errors import BadRequest
from cogitate.server.planning.plan import build_plan
from cogitate.server.protocol.chat import ChatRequest
from cogitate.server.protocol.completion import CompletionRequest
from cogitate.server.settings import Settings
from cogitate.strategies.core.scripted import ScriptedEngine
from cogitate.strategies.core.types import ToolCall
from cogitate.strategies.verifiers import BUILT_IN
from tests.fakes.live_server import live

VOTE = {"name": "self_consistency", "n": 4, "stop_rule": "none"}
HELLO = {"model": "tiny", "messages": [{"role": "user", "content": "hello"}]}
TOOL = {"type": "function", "function": {"name": "weather", "parameters": {"type": "object"}}}
SCHEMA = {"type": "json_schema", "json_schema": {"name": "a", "schema": {"type": "object"}}}


def planned(abilities=frozenset(), settings=None, **fields):
    request = ChatRequest.model_validate(HELLO | fields)
    card = ModelCard("tiny", "r", 4096, 0, abilities)
    return build_plan(request, card, settings or Settings(), BUILT_IN, Caller())


def asked(engine, **fields):
    with live(engine) as server:
        return server.ask(**fields)


@pytest.mark.live
def test_several_answers_are_ranked():
    replies = [f"so \\boxed{{{answer}}}" for answer in (7, 8, 9, 8)]
    body = asked(ScriptedEngine(replies), strategy=VOTE, n=3).json()
    texts = [choice["message"]["content"] for choice in body["choices"]]
    assert [choice["index"] for choice in body["choices"]] == [0, 1, 2] and texts[0] == "so \\boxed{8}"
    assert sorted(texts[1:]) == ["so \\boxed{7}", "so \\boxed{9}"]


@pytest.mark.live
def test_an_early_decision_waits_for_as_many_as_are_wanted():
    vote = {"name": "self_consistency", "n": 8, "stop_rule": "beta"}
    body = asked(ScriptedEngine(["\\boxed{1}"]), strategy=vote, n=6).json()
    assert len(body["choices"]) == 6


@pytest.mark.live
@pytest.mark.parametrize("strategy", ["best_of_n", "beam_search"])
def test_several_answers_come_in_the_verifiers_order(strategy):
    engine = ScriptedEngine(
        ["a", "b", "c", "d"],
        labels=lambda prompt: {"Yes": -0.1 if "\nb\n" in prompt.question else -2.0, "No": -1.0},
    )
    options = {"name": strategy, "n": 4, "verifier": "judge"}
    choices = asked(engine, strategy=options, n=2).json()["choices"]
    assert [choice["message"]["content"] for choice in choices] == ["b", "a"]


@pytest.mark.live
def test_a_stream_of_several_answers_has_them_all():
    replies = [f"so \\boxed{{{answer}}}" for answer in (7, 8, 9, 8)]
    with live(ScriptedEngine(replies)) as server:
        chunks = list(
            server.client().chat.completions.create(
                model="scripted", messages=HELLO["messages"], n=2, stream=True, extra_body={"strategy": VOTE}
            )
        )
    said = {0: "", 1: ""}
    for chunk in chunks:
        for choice in chunk.choices:
            said[choice.index] += choice.delta.content or ""
    assert said == {0: "so \\boxed{8}", 1: "so \\boxed{7}"} or said == {0: "so \\boxed{8}", 1: "so \\boxed{9}"}


NEW = ["selection", "synthesis", "auto"]


@pytest.mark.live
@pytest.mark.parametrize("strategy", NEW)
def test_several_answers_tools_and_json_under_what_reads_its_own_candidates(strategy):
    options = {"name": strategy, "n": 4}
    assert len(asked(ScriptedEngine(["a", "b", "c", "d"]), strategy=options, n=3).json()["choices"]) == 3
    call = asked(ScriptedEngine([ToolCall("weather", '{"city": "Rome"}')]), strategy=options, tools=[TOOL]).json()
    assert call["choices"][0]["message"]["tool_calls"] and call["cogitate"]["agreement"] == 1
    replies = ['{"x": 1, "y": 2}', '{"y": 2.0, "x": 1}']
    body = asked(ScriptedEngine(replies), strategy=options, response_format=SCHEMA).json()
    assert body["cogitate"]["agreement"] == 1 and body["cogitate"]["candidates"] == (3 if strategy == "auto" else 4)


@pytest.mark.live
@pytest.mark.parametrize(
    ("strategy", "first"), [({"name": "synthesis", "method": "moa", "loops": 1}, 4), ({"name": "auto", "n": 4}, 3)]
)
def test_the_last_synthesis_streams_what_is_answered(strategy, first):
    replies = [*["a b", "c d", "e f", "g h"][:first], "the end of it"]
    with live(ScriptedEngine(replies, pace=0.01)) as server:
        chunks = list(
            server.client().chat.completions.create(
                model="scripted", messages=HELLO["messages"], stream=True, extra_body={"strategy": strategy}
            )
        )
    said = [choice.delta.content for chunk in chunks for choice in chunk.choices if choice.delta.content]
    assert "".join(said) == "the end of it" and len(said) == 4


def test_log_probabilities_are_asked_for_where_a_strategy_reads_them():
    able = frozenset({"logprobs"})
    weighed = {"name": "self_consistency", "weights": "confidence"}
    assert planned(strategy=weighed, abilities=able).sampling.logprobs == 5
    assert planned(strategy="auto", abilities=able).sampling.logprobs == 0
    assert planned(strategy="auto").sampling.logprobs is None


@pytest.mark.parametrize(("strategy", "n"), [("chain_of_thought", 2), ("self_consistency", 9), ("beam_search", 9)])
def test_more_answers_than_there_are_candidates_are_refused(strategy, n):
    with pytest.raises(BadRequest) as refused:
        planned(strategy=strategy, n=n, abilities=frozenset({"continue", "logprobs"}))
    assert refused.value.param == "n" and strategy in refused.value.message


@pytest.mark.live
def test_tool_calls_are_voted_on_by_name_and_arguments():
    calls = [
        ToolCall("weather", '{"city": "Rome"}'),
        ToolCall("weather", '{"city": "Paris", "days": 2}'),
        ToolCall("weather", '{"days": 2.0, "city": "Paris"}'),
        ToolCall("forecast", '{"city": "Paris", "days": 2}'),
    ]
    body = asked(ScriptedEngine(calls), strategy=VOTE, tools=[TOOL]).json()
    (choice,) = body["choices"]
    (call,) = choice["message"]["tool_calls"]
    assert json.loads(call["function"]["arguments"]) == {"city": "Paris", "days": 2}
    assert choice["finish_reason"] == "tool_calls" and body["cogitate"]["agreement"] == 0.5


@pytest.mark.live
def test_whether_to_call_at_all_is_part_of_the_vote():
    replies = [ToolCall("weather", "{}"), "It is sunny.", "Sunny, I think.", "No need to look."]
    body = asked(ScriptedEngine(replies), strategy=VOTE, tools=[TOOL]).json()
    assert body["choices"][0]["message"]["content"] and body["cogitate"]["agreement"] == 0.75
    assert body["cogitate"]["answer"] is None


@pytest.mark.live
def test_a_streamed_tool_call_is_read_by_the_official_client():
    asked = {"model": "scripted@self_consistency", "messages": HELLO["messages"], "tools": [TOOL]}
    with (
        live(ScriptedEngine([ToolCall("weather", '{"city": "Rome"}')])) as server,
        server.client().chat.completions.stream(**asked) as stream,
    ):
        final = stream.get_final_completion()
    assert final.choices[0].message.tool_calls[0].function.arguments == '{"city": "Rome"}'


@pytest.mark.live
def test_json_answers_are_voted_on_by_value_or_by_chosen_fields():
    replies = ['{"x": 1, "why": "a"}', '{"why": "b", "x": 2}', '{"x": 2, "why": "c"}', '{"x": 3}']
    vote = VOTE | {"vote_on": ["x"]}
    body = asked(ScriptedEngine(replies), strategy=vote, response_format=SCHEMA).json()
    assert json.loads(body["choices"][0]["message"]["content"])["x"] == 2 and body["cogitate"]["agreement"] == 0.5
    whole = asked(ScriptedEngine(replies), strategy=VOTE, response_format=SCHEMA).json()
    assert whole["cogitate"]["agreement"] == 0.25


@pytest.mark.parametrize(
    ("effort", "n"), [("none", 1), ("minimal", 2), ("low", 4), ("medium", 8), ("high", 16), ("xhigh", 32)]
)
def test_effort_is_the_ceiling_of_samples(effort, n):
    assert planned(strategy="self_consistency", reasoning_effort=effort).strategy.n == n
    assert planned(strategy={"name": "self_consistency", "n": 3}, reasoning_effort=effort).strategy.n == 3


def test_effort_leaves_a_beam_its_width():
    able = frozenset({"continue", "logprobs"})
    assert planned(strategy="beam_search", reasoning_effort="none", abilities=able).strategy.n == 4
    assert planned(strategy="chain_of_thought", reasoning_effort="high").strategy.name == "chain_of_thought"


def test_an_instruction_does_not_come_between_the_model_and_its_tools():
    assert planned(strategy="self_consistency", tools=[TOOL]).prompt.messages[-1].content == "hello"
    assert "boxed" in planned(strategy="self_consistency", tools=[TOOL], tool_choice="none").prompt.messages[-1].content
    assert "step by step" in planned(strategy="chain_of_thought", tools=[TOOL]).prompt.messages[-1].content


def test_logprobs_are_those_of_the_whole_text():
    able = frozenset({"logprobs"})
    assert planned(strategy="self_consistency", logprobs=True, abilities=able).sampling.logprobs == 0
    with pytest.raises(BadRequest) as refused:
        planned(strategy={"name": "self_consistency", "reasoning": "hidden"}, logprobs=True, abilities=able)
    assert refused.value.param == "logprobs"


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"frequency_penalty": 0.5}, "frequency_penalty"),
        ({"presence_penalty": -0.5}, "presence_penalty"),
        ({"stop_token_ids": [7]}, "stop_token_ids"),
        ({"stop": "\n\n"}, "stop"),
        ({"stop": ["x", "END\n\n"]}, "stop"),
        ({"stop": "\nQ:"}, "stop"),
        ({"response_format": {"type": "json_object"}}, "response_format"),
        ({"add_generation_prompt": False}, "add_generation_prompt"),
        ({"stream": True, "stream_options": {"continuous_usage_stats": True}}, "stream_options"),
    ],
)
def test_what_would_be_lost_between_two_steps_is_refused(fields, param):
    able = frozenset({"continue", "logprobs"})
    with pytest.raises(BadRequest) as refused:
        planned(strategy="beam_search", abilities=able, **fields)
    assert refused.value.param == param


def test_logprobs_of_0_are_logprobs():
    asked = CompletionRequest(model="tiny", prompt="x", strategy={"name": "program_aided"}, logprobs=0)
    card = ModelCard("tiny", "r", 4096, 0, frozenset({"continue", "logprobs"}))
    for able in (card, replace(card, abilities=frozenset())):
        with pytest.raises(BadRequest) as refused:
            build_plan(asked, able, Settings(code_exec="bwrap"), BUILT_IN, Caller())
        assert refused.value.param == "logprobs"


@pytest.mark.parametrize(
    "fields",
    [
        {"stop": "\n"},
        {"stop": ["Q:", "\n"]},
        {"response_format": {"type": "text"}},
        {"frequency_penalty": 0.0},
        {"presence_penalty": 0},
        {"min_tokens": 0},
        {"stop_token_ids": []},
        {"add_generation_prompt": True},
    ],
)
def test_and_what_would_not_is_not(fields):
    assert planned(strategy="beam_search", abilities=frozenset({"continue", "logprobs"}), **fields).strategy


@pytest.mark.parametrize(
    ("fields", "bound"),
    [({}, False), ({"stop": "x"}, True), ({"bad_words": ["x"]}, True), ({"logit_bias": {"1": 1}}, True)],
)
def test_a_text_that_the_client_binds_is_known_to_the_strategy(fields, bound):
    assert planned(strategy="chain_of_thought", **fields).sampling.constrained is bound


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"strategy": "self_consistency", "seed": 1}, "seed"),
        ({"strategy": "self_consistency", "logprobs": True}, "logprobs"),
        ({"strategy": "beam_search"}, "strategy"),
        ({"strategy": "best_of_n"}, "strategy.verifier"),
        ({"strategy": {"name": "best_of_n", "verifier": "confidence"}}, "strategy.verifier"),
        ({"strategy": {"name": "self_consistency", "weights": "confidence"}}, "strategy"),
        ({"strategy": {"name": "self_consistency", "weights": "p_true"}}, "strategy"),
        ({"strategy": {"name": "self_consistency", "weights": "verifier"}}, "strategy.verifier"),
    ],
)
def test_what_the_engine_cannot_do_is_refused_by_name(fields, param):
    with pytest.raises(BadRequest) as refused:
        planned(**fields)
    assert refused.value.param == param and "engine behind this server" in refused.value.message
    assert planned(**fields, abilities=frozenset({"seed", "logprobs", "continue"})).strategy


def test_what_needs_nothing_of_the_engine_is_not():
    assert planned(strategy={"name": "best_of_n", "verifier": "programmatic"}).strategy
    assert planned(strategy="chain_of_thought").strategy and planned(seed=3).strategy is None


def test_a_preset_is_a_strategy_under_a_name_of_the_operators():
    settings = Settings(presets='{"careful": {"name": "self_consistency", "n": 32}}')
    assert planned(model="tiny@careful", settings=settings).strategy.n == 32
    assert planned(model="tiny@careful", settings=settings, reasoning_effort="low").strategy.n == 32
    with pytest.raises(BadRequest):
        planned(model="tiny@careful", strategy="best_of_n", settings=settings)


@pytest.mark.live
def test_presets_are_listed_and_served():
    presets = {"quick": {"name": "self_consistency", "n": 2}}
    with live(ScriptedEngine(["\\boxed{1}"]), presets=presets) as server:
        assert "scripted@quick" in {model.id for model in server.client().models.list()}
        assert server.client().models.retrieve("scripted@quick").id == "scripted@quick"
        body = server.ask(model="scripted@quick").json()
        assert (body["model"], body["cogitate"]["candidates"]) == ("scripted@quick", 2)


@pytest.mark.parametrize(
    "presets",
    ["{", '{"x": {"name": "magic"}}', '{"best_of_n": {"name": "best_of_n"}}', '{"a b": {"name": "best_of_n"}}', "[]"],
)
def test_a_wrong_preset_is_told_at_the_start(presets):
    with pytest.raises(ValidationError):
        Settings(presets=presets)


FORCED = (
    "tools",
    "response_format",
    "min_tokens",
    "presence_penalty",
    "stop",
    "logit_bias",
    "bad_words",
    "logprobs",
    "n",
)


@pytest.mark.parametrize(
    ("field", "value"),
    [*zip(FORCED, ([TOOL], SCHEMA, 3, 0.5, "so", {"7": 1}, ["so"], True, 2), strict=True)],
)
def test_what_a_text_with_words_of_ours_cannot_hold_is_refused_by_name(field, value):
    with pytest.raises(BadRequest) as refused:
        planned(strategy="budget_forcing", abilities=frozenset({"continue", "logprobs"}), **{field: value})
    assert refused.value.param == field and "budget_forcing" in refused.value.message


def test_budget_forcing_goes_on_from_partial_answers_or_is_refused():
    with pytest.raises(BadRequest, match="partial answers"):
        planned(strategy="budget_forcing")


@pytest.mark.live
def test_tools_and_json_go_through_a_refinement():
    options = {"name": "self_refine", "verifier": "programmatic", "rounds": 1}
    call = asked(ScriptedEngine([ToolCall("weather", '{"city": "Rome"}')]), strategy=options, tools=[TOOL]).json()
    assert call["choices"][0]["message"]["tool_calls"]
    body = asked(ScriptedEngine(['{"x": 1}', "Verdict: correct"]), strategy=options, response_format=SCHEMA).json()
    assert body["choices"][0]["message"]["content"] == '{"x": 1}' and body["cogitate"]["verifier_tokens"] > 0


@pytest.mark.live
@pytest.mark.parametrize("options", [{}, {"max_thinking": 0}, {"early_exit": "probes", "probe_every": 8}])
def test_a_forced_thought_streams_what_is_answered(options):
    strategy = {"name": "budget_forcing", **options}
    replies = ["<think>" + " on" * 9 + "</think>", " and on</think>", " 42", "42}"]
    with live(ScriptedEngine(replies)) as server:
        chunks = list(
            server.client().chat.completions.create(
                model="scripted", messages=HELLO["messages"], stream=True, extra_body={"strategy": strategy}
            )
        )
    said = "".join(choice.delta.content or "" for chunk in chunks for choice in chunk.choices)
    with live(ScriptedEngine(replies)) as server:
        whole = server.ask(strategy=strategy).json()["choices"][0]["message"]["content"]
    assert said == whole and "</think>" in whole
