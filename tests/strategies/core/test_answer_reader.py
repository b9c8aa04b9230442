import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cogitate.strategies.answers import answer_from_calls
from cogitate.strategies.core.answer_reader import NO_CALL, AnswerReader, answers_in_reasoning
from cogitate.strategies.core.prompt import Message, Prompt
from cogitate.strategies.core.types import Completion, ToolCall

QUESTION = Prompt((Message("user", "What is the weather?"),))


def completion(text="", *calls, finish="stop", content=None):
    return Completion(prompt=QUESTION, text=text, finish=finish, tool_calls=calls, content=content)


def key(reader, completion):
    answer = reader.read(completion)
    return answer and answer.key


TOOLS = AnswerReader(tools=True)


def test_tool_calls_are_equal_by_name_and_arguments():
    one = key(TOOLS, completion("x", ToolCall("f", '{"a": 1, "b": [1.0, "x"]}')))
    assert one == key(TOOLS, completion("y", ToolCall("f", '{ "b":[1,"x"], "a":1.0 }')))
    assert one != key(TOOLS, completion("y", ToolCall("g", '{"a": 1, "b": [1, "x"]}')))
    assert one != key(TOOLS, completion("y", ToolCall("f", '{"a": 2, "b": [1, "x"]}')))
    assert one != key(TOOLS, completion("y", ToolCall("f", '{"a": 1, "b": [1, "x"]}'), ToolCall("f", "{}")))


def test_vote_on_selects_the_arguments_that_are_compared():
    reader = AnswerReader(tools=True, vote_on=("place.city",))
    paris = key(reader, completion("", ToolCall("f", '{"place": {"city": "Paris", "zip": 1}, "why": "fun"}')))
    assert paris == key(reader, completion("", ToolCall("f", '{"place": {"city": "Paris"}, "why": "work"}')))
    assert paris != key(reader, completion("", ToolCall("f", '{"place": {"city": "Rome"}}')))
    assert key(reader, completion("", ToolCall("f", '{"place": 3}'))) is None


def test_vote_on_selects_the_json_fields_that_are_compared():
    reader = AnswerReader(format="json", vote_on=("x",))
    assert key(reader, completion('{"x": 1, "note": "a"}')) == key(reader, completion('{"note": "b", "x": 1.0}'))
    assert key(reader, completion('{"y": 1}')) is None and key(reader, completion("[1]")) is None
    assert key(AnswerReader(format="json"), completion('{"x": 1, "note": "a"}')) != key(
        AnswerReader(format="json"), completion('{"x": 1}')
    )


@pytest.mark.parametrize("arguments", ["{", "[1]", "NaN", '{"a": NaN}', '"x"', "{} {}"])
def test_malformed_tool_call_does_not_vote(arguments):
    assert TOOLS.read(completion("", ToolCall("f", arguments))) is None


def test_tool_call_without_arguments_votes():
    assert key(TOOLS, completion("", ToolCall("f", ""))) == key(TOOLS, completion("", ToolCall("f", "{}")))


def test_truncated_tool_call_does_not_vote():
    assert TOOLS.read(completion("", ToolCall("f", "{}"), finish="length")) is None


def test_calling_no_tool_is_a_vote_where_tools_are_offered():
    assert TOOLS.read(completion("It rains.")) == NO_CALL
    assert AnswerReader().read(completion("It rains.")) is None
    assert TOOLS.read(completion("It rai", finish="length")) is None
    assert key(TOOLS, completion("so \\boxed{7}")) == "7"


def test_answer_is_read_from_the_content_without_reasoning():
    assert key(AnswerReader(), completion("hm, \\boxed{1}? \\boxed{2}", content="it is \\boxed{1}")) == "1"


def test_answer_is_read_from_the_reasoning_where_there_is_no_content():
    """As a last resort, and only of a candidate that ended by itself."""
    assert key(AnswerReader(), completion("so \\boxed{42}", content="")) == "42"
    assert key(AnswerReader(), completion("so \\boxed{42}", content="\n")) == "42"
    assert answers_in_reasoning(completion("so \\boxed{42}", content=""))
    assert key(AnswerReader(), completion("so \\boxed{42}", content="", finish="length")) is None
    assert key(AnswerReader(), completion("so \\boxed{42}", content="I do not know.")) is None
    assert not answers_in_reasoning(completion("so \\boxed{42}")) and not answers_in_reasoning(
        completion("", content="x")
    )


@given(st.dictionaries(st.text(max_size=5), st.integers() | st.text(max_size=5) | st.booleans(), max_size=5))
def test_order_of_arguments_does_not_matter(arguments):
    backwards = dict(reversed(arguments.items()))
    assert answer_from_calls([("f", json.dumps(arguments))]) == answer_from_calls([("f", json.dumps(arguments))])
    assert (
        answer_from_calls([("f", json.dumps(arguments))]).key == answer_from_calls([("f", json.dumps(backwards))]).key
    )
