import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cogitate.strategies.answers import called
from cogitate.strategies.core.answer_reader import NO_CALL, Reading
from cogitate.strategies.core.types import Call, Completion, Message, Prompt

QUESTION = Prompt((Message("user", "What is the weather?"),))


def made(text="", *calls, finish="stop", content=None):
    return Completion(prompt=QUESTION, text=text, finish=finish, calls=calls, content=content)


def key(reading, completion):
    answer = reading.answer(completion)
    return answer and answer.key


TOOLS = Reading(tools=True)


def test_calls_are_the_same_when_their_names_and_their_arguments_are():
    one = key(TOOLS, made("x", Call("f", '{"a": 1, "b": [1.0, "x"]}')))
    assert one == key(TOOLS, made("y", Call("f", '{ "b":[1,"x"], "a":1.0 }')))
    assert one != key(TOOLS, made("y", Call("g", '{"a": 1, "b": [1, "x"]}')))
    assert one != key(TOOLS, made("y", Call("f", '{"a": 2, "b": [1, "x"]}')))
    assert one != key(TOOLS, made("y", Call("f", '{"a": 1, "b": [1, "x"]}'), Call("f", "{}")))


def test_chosen_fields_alone_are_compared():
    reading = Reading(tools=True, vote_on=("place.city",))
    paris = key(reading, made("", Call("f", '{"place": {"city": "Paris", "zip": 1}, "why": "fun"}')))
    assert paris == key(reading, made("", Call("f", '{"place": {"city": "Paris"}, "why": "work"}')))
    assert paris != key(reading, made("", Call("f", '{"place": {"city": "Rome"}}')))
    assert key(reading, made("", Call("f", '{"place": 3}'))) is None


def test_json_is_compared_on_chosen_fields():
    reading = Reading(format="json", vote_on=("x",))
    assert key(reading, made('{"x": 1, "note": "a"}')) == key(reading, made('{"note": "b", "x": 1.0}'))
    assert key(reading, made('{"y": 1}')) is None and key(reading, made("[1]")) is None
    assert key(Reading(format="json"), made('{"x": 1, "note": "a"}')) != key(Reading(format="json"), made('{"x": 1}'))


@pytest.mark.parametrize("arguments", ["{", "[1]", "NaN", '{"a": NaN}', '"x"', "{} {}"])
def test_a_call_that_cannot_be_made_does_not_vote(arguments):
    assert TOOLS.answer(made("", Call("f", arguments))) is None


def test_a_call_without_arguments_can_be_made():
    assert key(TOOLS, made("", Call("f", ""))) == key(TOOLS, made("", Call("f", "{}")))


def test_a_call_that_was_cut_off_does_not_vote():
    assert TOOLS.answer(made("", Call("f", "{}"), finish="length")) is None


def test_calling_nothing_is_a_vote_too_where_tools_were_offered():
    assert TOOLS.answer(made("It rains.")) == NO_CALL
    assert Reading().answer(made("It rains.")) is None
    assert TOOLS.answer(made("It rai", finish="length")) is None
    assert key(TOOLS, made("so \\boxed{7}")) == "7"


def test_what_is_read_is_the_content_not_the_reasoning():
    assert key(Reading(), made("hm, \\boxed{1}? \\boxed{2}", content="it is \\boxed{1}")) == "1"


@given(st.dictionaries(st.text(max_size=5), st.integers() | st.text(max_size=5) | st.booleans(), max_size=5))
def test_the_order_of_arguments_is_nothing(arguments):
    backwards = dict(reversed(arguments.items()))
    assert called([("f", json.dumps(arguments))]) == called([("f", json.dumps(arguments))])
    assert called([("f", json.dumps(arguments))]).key == called([("f", json.dumps(backwards))]).key
