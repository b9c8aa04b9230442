"""OpenAI's fields under a strategy: n, tools, JSON, effort, presets, and what an engine cannot do."""

import json
from dataclasses import replace

import pytest
from pydantic import ValidationError

from cogitate.server.auth.caller import Caller
from cogitate.server.engine import ModelCard
from cogitate.server.errors import BadRequest
from cogitate.server.planning.request_plan import build_plan
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


def make_plan(abilities=frozenset(), settings=None, **fields):
    request = ChatRequest.model_validate(HELLO | fields)
    card = ModelCard("tiny", "r", 4096, 0, abilities)
    return build_plan(request, card, settings or Settings(), BUILT_IN, Caller())


def post(engine, **fields):
    with live(engine) as server:
        return server.ask(**fields)


@pytest.mark.live
def test_n_answers_are_ranked_by_votes():
    replies = [f"so \\boxed{{{answer}}}" for answer in (7, 8, 9, 8)]
    body = post(ScriptedEngine(replies), strategy=VOTE, n=3).json()
    texts = [choice["message"]["content"] for choice in body["choices"]]
    assert [choice["index"] for choice in body["choices"]] == [0, 1, 2] and texts[0] == "so \\boxed{8}"
    assert sorted(texts[1:]) == ["so \\boxed{7}", "so \\boxed{9}"]


@pytest.mark.live
def test_early_decision_waits_for_n_candidates():
    vote = {"name": "self_consistency", "n": 8, "stop_rule": "beta"}
    body = post(ScriptedEngine(["\\boxed{1}"]), strategy=vote, n=6).json()
    assert len(body["choices"]) == 6


@pytest.mark.live
@pytest.mark.parametrize("strategy", ["best_of_n", "beam_search"])
def test_n_answers_are_ranked_by_the_verifier(strategy):
    engine = ScriptedEngine(
        ["a", "b", "c", "d"],
        labels=lambda prompt: {"Yes": -0.1 if "\nb\n" in prompt.question else -2.0, "No": -1.0},
    )
    options = {"name": strategy, "n": 4, "verifier": "judge"}
    choices = post(engine, strategy=options, n=2).json()["choices"]
    assert [choice["message"]["content"] for choice in choices] == ["b", "a"]


@pytest.mark.live
def test_stream_has_all_n_answers():
    replies = [f"so \\boxed{{{answer}}}" for answer in (7, 8, 9, 8)]
    with live(ScriptedEngine(replies)) as server:
        chunks = list(
            server.client().chat.completions.create(
                model="scripted", messages=HELLO["messages"], n=2, stream=True, extra_body={"strategy": VOTE}
            )
        )
    texts = {0: "", 1: ""}
    for chunk in chunks:
        for choice in chunk.choices:
            texts[choice.index] += choice.delta.content or ""
    assert texts == {0: "so \\boxed{8}", 1: "so \\boxed{7}"} or texts == {0: "so \\boxed{8}", 1: "so \\boxed{9}"}


NEW = ["selection", "synthesis", "auto"]


@pytest.mark.live
@pytest.mark.parametrize("strategy", NEW)
def test_synthesis_and_selection_honour_n_tools_and_json(strategy):
    options = {"name": strategy, "n": 4}
    assert len(post(ScriptedEngine(["a", "b", "c", "d"]), strategy=options, n=3).json()["choices"]) == 3
    call = post(ScriptedEngine([ToolCall("weather", '{"city": "Rome"}')]), strategy=options, tools=[TOOL]).json()
    assert call["choices"][0]["message"]["tool_calls"] and call["cogitate"]["agreement"] == 1
    replies = ['{"x": 1, "y": 2}', '{"y": 2.0, "x": 1}']
    body = post(ScriptedEngine(replies), strategy=options, response_format=SCHEMA).json()
    assert body["cogitate"]["agreement"] == 1 and body["cogitate"]["candidates"] == (3 if strategy == "auto" else 4)


@pytest.mark.live
@pytest.mark.parametrize(
    ("strategy", "first"), [({"name": "synthesis", "method": "moa", "loops": 1}, 4), ({"name": "auto", "n": 4}, 3)]
)
def test_last_synthesis_is_streamed(strategy, first):
    drafts = ["Rain falls on the hills.", "A cold wind rises.", "The sky is grey.", "Night comes early."]
    replies = [*drafts[:first], "the end of it"]
    with live(ScriptedEngine(replies, pace=0.01)) as server:
        chunks = list(
            server.client().chat.completions.create(
                model="scripted", messages=HELLO["messages"], stream=True, extra_body={"strategy": strategy}
            )
        )
    texts = [choice.delta.content for chunk in chunks for choice in chunk.choices if choice.delta.content]
    assert "".join(texts) == "the end of it" and len(texts) == 4


def test_logprobs_are_requested_where_the_strategy_needs_them():
    able = frozenset({"logprobs"})
    weighed = {"name": "self_consistency", "weights": "confidence"}
    assert make_plan(strategy=weighed, abilities=able).sampling.logprobs == 5
    assert make_plan(strategy="auto", abilities=able).sampling.logprobs == 0
    assert make_plan(strategy="auto").sampling.logprobs is None


@pytest.mark.parametrize(("strategy", "n"), [("chain_of_thought", 2), ("self_consistency", 9), ("beam_search", 9)])
def test_n_above_the_number_of_candidates_is_rejected(strategy, n):
    with pytest.raises(BadRequest) as rejected:
        make_plan(strategy=strategy, n=n, abilities=frozenset({"continue", "logprobs"}))
    assert rejected.value.param == "n" and strategy in rejected.value.message


@pytest.mark.live
def test_tool_calls_are_voted_on_by_name_and_arguments():
    calls = [
        ToolCall("weather", '{"city": "Rome"}'),
        ToolCall("weather", '{"city": "Paris", "days": 2}'),
        ToolCall("weather", '{"days": 2.0, "city": "Paris"}'),
        ToolCall("forecast", '{"city": "Paris", "days": 2}'),
    ]
    body = post(ScriptedEngine(calls), strategy=VOTE, tools=[TOOL]).json()
    (choice,) = body["choices"]
    (call,) = choice["message"]["tool_calls"]
    assert json.loads(call["function"]["arguments"]) == {"city": "Paris", "days": 2}
    assert choice["finish_reason"] == "tool_calls" and body["cogitate"]["agreement"] == 0.5


@pytest.mark.live
def test_vote_decides_between_a_call_and_text():
    replies = [ToolCall("weather", "{}"), "It is sunny.", "Sunny, I think.", "No need to look."]
    body = post(ScriptedEngine(replies), strategy=VOTE, tools=[TOOL]).json()
    assert body["choices"][0]["message"]["content"] and body["cogitate"]["agreement"] == 0.75
    assert body["cogitate"]["answer"] is None


@pytest.mark.live
def test_official_client_reads_a_streamed_tool_call():
    asked = {"model": "scripted@self_consistency", "messages": HELLO["messages"], "tools": [TOOL]}
    with (
        live(ScriptedEngine([ToolCall("weather", '{"city": "Rome"}')])) as server,
        server.client().chat.completions.stream(**asked) as stream,
    ):
        final = stream.get_final_completion()
    assert final.choices[0].message.tool_calls[0].function.arguments == '{"city": "Rome"}'


@pytest.mark.live
def test_json_answers_are_voted_on_by_value_or_by_the_vote_on_fields():
    replies = ['{"x": 1, "why": "a"}', '{"why": "b", "x": 2}', '{"x": 2, "why": "c"}', '{"x": 3}']
    vote = VOTE | {"vote_on": ["x"]}
    body = post(ScriptedEngine(replies), strategy=vote, response_format=SCHEMA).json()
    assert json.loads(body["choices"][0]["message"]["content"])["x"] == 2 and body["cogitate"]["agreement"] == 0.5
    complete = post(ScriptedEngine(replies), strategy=VOTE, response_format=SCHEMA).json()
    assert complete["cogitate"]["agreement"] == 0.25


@pytest.mark.parametrize(
    ("effort", "n"), [("none", 1), ("minimal", 2), ("low", 4), ("medium", 8), ("high", 16), ("xhigh", 32), ("max", 64)]
)
def test_reasoning_effort_limits_the_samples(effort, n):
    assert make_plan(strategy="self_consistency", reasoning_effort=effort).strategy.n == n
    assert make_plan(strategy={"name": "self_consistency", "n": 3}, reasoning_effort=effort).strategy.n == 3


def test_reasoning_effort_does_not_go_below_the_beam_width():
    able = frozenset({"continue", "logprobs"})
    assert make_plan(strategy="beam_search", reasoning_effort="none", abilities=able).strategy.n == 4
    assert make_plan(strategy="chain_of_thought", reasoning_effort="high").strategy.name == "chain_of_thought"


def test_no_instruction_is_added_where_tools_are_offered():
    assert make_plan(strategy="self_consistency", tools=[TOOL]).prompt.messages[-1].content == "hello"
    assert (
        "boxed" in make_plan(strategy="self_consistency", tools=[TOOL], tool_choice="none").prompt.messages[-1].content
    )
    assert "step by step" in make_plan(strategy="chain_of_thought", tools=[TOOL]).prompt.messages[-1].content


def test_logprobs_cover_the_complete_text():
    able = frozenset({"logprobs"})
    assert make_plan(strategy="self_consistency", logprobs=True, abilities=able).sampling.logprobs == 0
    with pytest.raises(BadRequest) as rejected:
        make_plan(strategy={"name": "self_consistency", "reasoning": "hidden"}, logprobs=True, abilities=able)
    assert rejected.value.param == "logprobs"


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
def test_field_without_effect_across_steps_is_rejected(fields, param):
    able = frozenset({"continue", "logprobs"})
    with pytest.raises(BadRequest) as rejected:
        make_plan(strategy="beam_search", abilities=able, **fields)
    assert rejected.value.param == param


def test_logprobs_of_0_count_as_requested():
    asked = CompletionRequest(model="tiny", prompt="x", strategy={"name": "program_aided"}, logprobs=0)
    card = ModelCard("tiny", "r", 4096, 0, frozenset({"continue", "logprobs"}))
    for able in (card, replace(card, abilities=frozenset())):
        with pytest.raises(BadRequest) as rejected:
            build_plan(asked, able, Settings(code_exec="bwrap"), BUILT_IN, Caller())
        assert rejected.value.param == "logprobs"


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
def test_field_with_its_default_or_within_a_step_is_accepted(fields):
    assert make_plan(strategy="beam_search", abilities=frozenset({"continue", "logprobs"}), **fields).strategy


@pytest.mark.parametrize(
    ("fields", "bound"),
    [({}, False), ({"stop": "x"}, True), ({"bad_words": ["x"]}, True), ({"logit_bias": {"1": 1}}, True)],
)
def test_sampling_knows_whether_the_client_constrains_the_text(fields, bound):
    assert make_plan(strategy="chain_of_thought", **fields).sampling.constrained is bound


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
def test_field_that_the_engine_cannot_honour_is_rejected_by_name(fields, param):
    with pytest.raises(BadRequest) as rejected:
        make_plan(**fields)
    assert rejected.value.param == param and "engine" in rejected.value.message
    assert make_plan(**fields, abilities=frozenset({"seed", "logprobs", "continue"})).strategy


def test_request_that_needs_no_engine_ability_is_accepted():
    assert make_plan(strategy={"name": "best_of_n", "verifier": "programmatic"}).strategy
    assert make_plan(strategy="chain_of_thought").strategy and make_plan(seed=3).strategy is None


def test_preset_names_a_strategy_with_options():
    settings = Settings(presets='{"careful": {"name": "self_consistency", "n": 32}}')
    assert make_plan(model="tiny@careful", settings=settings).strategy.n == 32
    assert make_plan(model="tiny@careful", settings=settings, reasoning_effort="low").strategy.n == 32
    with pytest.raises(BadRequest):
        make_plan(model="tiny@careful", strategy="best_of_n", settings=settings)


@pytest.mark.live
def test_presets_are_listed_and_answered():
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
def test_invalid_preset_is_rejected_by_settings(presets):
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
def test_field_without_effect_under_budget_forcing_is_rejected_by_name(field, value):
    with pytest.raises(BadRequest) as rejected:
        make_plan(strategy="budget_forcing", abilities=frozenset({"continue", "logprobs"}), **{field: value})
    assert rejected.value.param == field and "budget_forcing" in rejected.value.message


def test_budget_forcing_needs_an_engine_that_continues_text():
    with pytest.raises(BadRequest, match="partial answers"):
        make_plan(strategy="budget_forcing")


@pytest.mark.live
def test_self_refine_honours_tools_and_json():
    options = {"name": "self_refine", "verifier": "programmatic", "rounds": 1}
    call = post(ScriptedEngine([ToolCall("weather", '{"city": "Rome"}')]), strategy=options, tools=[TOOL]).json()
    assert call["choices"][0]["message"]["tool_calls"]
    body = post(ScriptedEngine(['{"x": 1}', "Verdict: correct"]), strategy=options, response_format=SCHEMA).json()
    assert body["choices"][0]["message"]["content"] == '{"x": 1}' and body["cogitate"]["verifier_tokens"] > 0


@pytest.mark.live
@pytest.mark.parametrize("options", [{}, {"max_thinking": 0}, {"early_exit": "probes", "probe_every": 8}])
def test_budget_forcing_streams_its_answer(options):
    strategy = {"name": "budget_forcing", **options}
    replies = ["<think>" + " on" * 9 + "</think>", " and on</think>", " 42", "42}"]
    with live(ScriptedEngine(replies)) as server:
        chunks = list(
            server.client().chat.completions.create(
                model="scripted", messages=HELLO["messages"], stream=True, extra_body={"strategy": strategy}
            )
        )
    texts = "".join(choice.delta.content or "" for chunk in chunks for choice in chunk.choices)
    with live(ScriptedEngine(replies)) as server:
        complete = server.ask(strategy=strategy).json()["choices"][0]["message"]["content"]
    assert texts == complete and "</think>" in complete
