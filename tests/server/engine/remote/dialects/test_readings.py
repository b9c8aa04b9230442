"""Finish reasons, token counts, messages and streamed tool calls in the forms that upstreams send."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cogitate.server.engine.remote.dialects.finish_reason import later_reason, to_finish, to_openai_name
from cogitate.server.engine.remote.dialects.message import normalize_message
from cogitate.server.engine.remote.dialects.tool_deltas import MAX_TOOL_CALLS, ToolCallJoiner
from cogitate.server.engine.remote.dialects.usage import ReportedUsage, merge_usage, parse_usage, to_count
from cogitate.server.engine.remote.errors import UpstreamFailed

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda each: st.lists(each, max_size=3) | st.dictionaries(st.sampled_from(["text", "type", "thinking"]), each),
    max_leaves=8,
)


@pytest.mark.parametrize(
    ("reasons", "name"),
    [
        (("", "null", "none", None, " ", "FINISH_REASON_UNSPECIFIED", 3), None),
        (
            ("stop", "STOP", "eos", "end", "end_turn", "eos_token", "stop_sequence", "endOfText".lower(), "sunset"),
            "stop",
        ),
        (("length", "max_tokens", "MAX_TOKENS", "model_length", "max-output-tokens"), "length"),
        (("tool_calls", "tool_use", "tool_call"), "tool_calls"),
        (("content_filter", "SAFETY", "refusal", "RECITATION"), "content_filter"),
        (("error",), "error"),
    ],
)
def test_finish_reasons_have_openais_names(reasons, name):
    assert {to_openai_name(reason) for reason in reasons} == {name}


def test_failures_are_no_finish_and_filtered_texts_are_cut_off():
    names = ("stop", "tool_calls", "length", "content_filter", "error", "abort")
    assert [to_finish(name) for name in names] == ["stop", "stop", "length", "length", None, None]
    assert later_reason("length", "stop") == later_reason("stop", "length") == later_reason("length", None) == "length"


@pytest.mark.parametrize(
    ("value", "count"),
    [(7, 7), (7.0, 7), ("7", 7), (0, 0), (7.5, None), (-1, None), (None, None), (True, None), ("many", None),
     (float("nan"), None), (2**40, None), ("9" * 50, None)],
)  # fmt: skip
def test_counts_are_read_from_numbers_and_texts(value, count):
    assert to_count(value) == count


@pytest.mark.parametrize(
    ("usage", "expected"),
    [
        (None, ReportedUsage()),
        ({}, ReportedUsage()),
        ("many", ReportedUsage()),
        ({"prompt_tokens": 9, "completion_tokens": 7}, ReportedUsage(9, 7, None, is_known=True)),
        ({"prompt_tokens": 9.0, "completion_tokens": "7"}, ReportedUsage(9, 7, None, is_known=True)),
        ({"input_tokens": 9, "output_tokens": 7}, ReportedUsage(9, 7, None, is_known=True)),
        ({"prompt_tokens": 9, "total_tokens": 16}, ReportedUsage(9, 7, None, is_known=True)),
        ({"prompt_tokens": 9, "completion_tokens": None}, ReportedUsage(9, 0)),
        ({"prompt_tokens": 9, "completion_tokens": 1.5}, ReportedUsage(9, 0)),
        ({"prompt_tokens": None, "completion_tokens": 7}, ReportedUsage(0, 7)),
        ({"prompt_tokens_details": {"cached_tokens": 0}}, ReportedUsage(cached=0)),
        (
            {"prompt_tokens": 9, "completion_tokens": 7, "prompt_tokens_details": {"cached_tokens": 2495}},
            ReportedUsage(9, 7, None, is_known=True),
        ),
        ({"prompt_tokens": 9, "completion_tokens": 51}, ReportedUsage(9, 51, None, is_known=True)),
        ({"prompt_tokens": 9, "completion_tokens": 10**6}, ReportedUsage(9, 50)),
    ],
)
def test_usage_is_known_as_far_as_it_can_be(usage, expected):
    assert parse_usage(usage, 50) == expected


def test_reports_of_one_stream_complete_each_other():
    assert merge_usage({"prompt_tokens": 9}, {"prompt_tokens": None, "completion_tokens": 7}) == {
        "prompt_tokens": 9,
        "completion_tokens": 7,
    }
    assert merge_usage({"prompt_tokens": 9}, None) == merge_usage({"prompt_tokens": 9}, {}) == {"prompt_tokens": 9}


@pytest.mark.parametrize(
    ("message", "content", "reasoning"),
    [
        ({"content": "a"}, "a", None),
        ({"content": [{"type": "text", "text": "a"}, "b", {"text": "c"}]}, "abc", None),
        ({"content": {"type": "text", "text": "a"}}, "a", None),
        ({"content": [{"type": "thinking", "thinking": [{"type": "text", "text": "h"}]}, {"text": "a"}]}, "a", "h"),
        ({"content": [{"type": "thinking", "thinking": "h"}, {"type": "output_text", "text": "a"}]}, "a", "h"),
        ({"content": [{"text": "h", "thought": True}, {"text": "a"}]}, "a", "h"),
        ({"content": [{"type": "image_url", "image_url": {"url": "x"}}, {"text": "a"}]}, "a", None),
        ({"content": [], "reasoning_content": "h"}, "", "h"),
        ({"content": "a", "thinking": "h"}, "a", "h"),
        ({"content": "a", "reasoning": [{"text": "h"}]}, "a", "h"),
        ({"content": "a", "reasoning_details": [{"type": "reasoning.text", "text": "h"}]}, "a", "h"),
    ],
)
def test_content_and_thoughts_are_read_from_every_form(message, content, reasoning):
    read = normalize_message(message)
    assert (read["content"], read.get("reasoning_content")) == (content, reasoning)


@pytest.mark.parametrize("message", [{"content": 7}, {"content": True}, {"content": "a", "reasoning": 3}])
def test_content_that_is_no_text_is_refused(message):
    with pytest.raises(UpstreamFailed):
        normalize_message(message)


@pytest.mark.parametrize(
    "calls",
    [
        [{"function": {"name": "f", "arguments": {"a": 1}}}],
        {"function": {"name": "f", "arguments": '{"a":1}'}},
        [{"name": "f", "arguments": {"a": 1}}, None],
        [{"type": "function", "function": {"name": "f", "arguments": '{"a":1}'}, "index": None}],
    ],
)
def test_tool_calls_are_read_from_every_form(calls):
    (call,) = normalize_message({"content": None, "tool_calls": calls})["tool_calls"]
    assert call["function"] == {"name": "f", "arguments": '{"a":1}'}


def test_older_and_anthropic_calls_are_tool_calls():
    old = normalize_message({"content": None, "function_call": {"name": "f", "arguments": "{}"}})
    part = {"type": "tool_use", "id": "t", "name": "f", "input": {}}
    new = normalize_message({"content": [{"type": "text", "text": "a"}, part]})
    assert [call["function"] for call in old["tool_calls"] + new["tool_calls"]] == 2 * [
        {"name": "f", "arguments": "{}"}
    ]


@given(content=JSON, reasoning=JSON)
def test_any_message_is_read_or_refused(content, reasoning):
    try:
        read = normalize_message({"content": content, "reasoning_content": reasoning})
    except UpstreamFailed:
        return
    assert isinstance(read["content"], str | None) and isinstance(read.get("reasoning_content"), str | None)


def delta(name: str = "", arguments: object = None, **more: object) -> dict[str, object]:
    return {"function": {"name": name, "arguments": arguments}, **more}


TWO_CALLS = [("f", '{"a":1}'), ("g", '{"b":2}')]
A1, A2, B1, B2 = '{"a"', ":1}", '{"b"', ":2}"


@pytest.mark.parametrize(
    "deltas",
    [
        [delta("f", "", index=0, id="x"), delta("", A1, index=0), delta("", A2, index=0),
         delta("g", "", index=1, id="y"), delta("", B1 + B2, index=1)],
        [delta("f", A1 + A2, index=0, id="x"), delta("g", B1 + B2, index=0, id="y")],
        [delta("f", A1, index=0, id="x"), delta("", A2, index=0), delta("g", B1, index=0, id="y"),
         delta("", B2, index=0)],
        [delta("f", {"a": 1}, id="x"), delta("g", {"b": 2}, id="y")],
        [delta("f", A1 + A2), delta("g", B1 + B2)],
        [delta("f", A1, index=None, id="x"), delta("", A2, index=None), delta("g", B1 + B2, index=None, id="y")],
        [delta("f", A1, id="x"), delta("g", B1, id="y"), delta("", A2, id="x"), delta("", B2, id="y")],
        [delta("f", A1, index=0, id="x"), delta("f", A2, index=0, id="x"), delta("g", B1 + B2, index=1, id="y")],
        [delta("f", A1, index=0, id="x1"), delta("", A2, index=0, id="x2"), delta("g", B1 + B2, index=1, id="y1")],
        [delta("f", A1 + A2, index=0), delta("g", B1 + B2, index=0)],
        [delta("g", B1 + B2, index=1, id="y"), delta("f", A1 + A2, index=0, id="x")],
        [{"index": 0, "name": "f", "arguments": A1 + A2}, {"index": "1", "name": "g", "arguments": B1 + B2}],
        [{}, delta("f", A1 + A2, index=0.0, id=1), delta("g", B1 + B2, index=1.0, id=2)],
    ],
)  # fmt: skip
def test_streamed_calls_are_told_apart_by_index_id_or_name(deltas):
    joiner = ToolCallJoiner()
    for each in deltas:
        joiner.add(each)
    functions = [call["function"] for call in joiner.to_bodies()]
    assert [(each["name"], each["arguments"]) for each in functions] == TWO_CALLS


def test_two_equal_calls_without_index_or_id_are_two():
    joiner = ToolCallJoiner()
    for _ in range(2):
        joiner.add(delta("f", "{}"))
    assert len(joiner.to_bodies()) == 2


@pytest.mark.parametrize("bad", [3, delta("f", index=-1), delta("f", index="x"), delta("f", 7), delta(["f"])])  # type: ignore[arg-type]
def test_malformed_deltas_are_refused(bad):
    with pytest.raises(UpstreamFailed):
        ToolCallJoiner().add(bad)


def test_calls_are_limited():
    joiner = ToolCallJoiner()
    with pytest.raises(UpstreamFailed):
        for number in range(MAX_TOOL_CALLS + 1):
            joiner.add(delta("f", "{}", id=f"{number}"))
