import pytest

from cogitate.strategies.chain_of_thought import MAX_ANSWER_TOKENS, ChainOfThought
from cogitate.strategies.core.events import TextEmitted
from cogitate.strategies.core.prompt import Message, Prompt
from cogitate.strategies.core.prompts import THEREFORE
from cogitate.strategies.core.scripted import ScriptedEngine
from cogitate.strategies.core.trace import usage
from cogitate.strategies.core.types import Sampling
from tests.fakes.run import build_session, events, solve


def test_chain_with_an_answer_needs_no_second_call():
    engine = ScriptedEngine(["6*7 is \\boxed{42}"])
    finished = solve(ChainOfThought(), build_session(engine))
    assert finished.outcome.answer.raw == "42" and len(engine.calls) == 1
    assert finished.stopped == "completed"


def test_chain_without_an_answer_gets_a_second_call():
    engine = ScriptedEngine(["six sevens make forty-two", " 42. That is 6 times 7."])
    finished = solve(ChainOfThought(), build_session(engine))
    assert finished.outcome.answer.raw == "42"
    assert finished.outcome.completion.text == f"six sevens make forty-two{THEREFORE} 42. That is 6 times 7."


def test_no_text_is_appended_where_the_client_constrains_it():
    engine = ScriptedEngine(["six sevens make forty-two", " 42"])
    finished = solve(ChainOfThought(), build_session(engine, sampling=Sampling(constrained=True)))
    assert finished.outcome.completion.text == "six sevens make forty-two" and len(engine.calls) == 1


def test_second_call_continues_by_the_exact_token_ids():
    engine = ScriptedEngine(["six sevens", " 42"])
    solve(ChainOfThought(), build_session(engine))
    (first, _), (second, sampling) = engine.calls
    assert engine.prompt_ids(second)[: len(engine.prompt_ids(first))] == engine.prompt_ids(first)
    assert second.segments[0].ids == tuple(engine.vocabulary.encode("six sevens"))
    assert second.prefix == f"six sevens{THEREFORE}"
    assert (sampling.max_tokens, sampling.temperature, sampling.auxiliary) == (MAX_ANSWER_TOKENS, 0.0, True)


def test_answer_is_the_first_line_of_the_second_call():
    engine = ScriptedEngine(["hm", " 42\n\nThe answer is 7"])
    assert solve(ChainOfThought(), build_session(engine)).outcome.answer.raw == "42"


@pytest.mark.parametrize("question", ["Write a poem.", "Please translate this to French", "Summarize the text:"])
def test_prose_gets_no_second_call(question):
    engine = ScriptedEngine(["Roses are red"])
    finished = solve(ChainOfThought(), build_session(engine), prompt=Prompt((Message("user", question),)))
    assert len(engine.calls) == 1 and finished.outcome.completion.text == "Roses are red"


def test_answer_format_text_gets_no_second_call():
    engine = ScriptedEngine(["hello"])
    solve(ChainOfThought(answer_format="text"), build_session(engine, answer_format="text"))
    assert len(engine.calls) == 1


def test_all_text_is_streamed_while_it_is_decoded():
    session = build_session(ScriptedEngine(["six sevens", " 42"]))
    finished = solve(ChainOfThought(), session)
    assert "".join(event.delta.text for event in events(session, TextEmitted)) == finished.outcome.completion.text


def test_usage_counts_both_calls_and_the_prompt_once():
    engine = ScriptedEngine(["six sevens", " 42"])
    session = build_session(engine)
    solve(ChainOfThought(), session)
    asked = len(engine.prompt_ids(engine.calls[0][0])) + len(engine.vocabulary.encode(THEREFORE))
    assert usage(session.trace).prompt == asked and usage(session.trace).completion == engine.decoded


def test_deadline_returns_the_chain_so_far():
    engine = ScriptedEngine(["one two three four five six seven"], pace=0.05)
    finished = solve(ChainOfThought(), build_session(engine), seconds=0.22)
    assert finished.stopped == "deadline" and finished.outcome.completion.text.startswith("one two")
    assert finished.outcome.completion.finish == "abort"


def test_max_tokens_of_the_client_is_not_reported_as_a_budget():
    engine = ScriptedEngine(["one two three four \\boxed{1}", " 4"])
    finished = solve(ChainOfThought(), build_session(engine, sampling=Sampling(max_tokens=3)))
    assert finished.stopped == "completed" and finished.outcome.completion.finish == "length"
    assert len(engine.calls) == 1, "a truncated chain gets no second call"


def test_second_call_uses_only_the_tokens_that_max_tokens_leaves():
    engine = ScriptedEngine(["six sevens", " forty two or so"])
    finished = solve(ChainOfThought(), build_session(engine, sampling=Sampling(max_tokens=5)))
    assert engine.decoded == 5 and finished.outcome.completion.completion_tokens == 5


def test_engine_without_continue_gets_no_second_call():
    engine = ScriptedEngine(["six sevens", " 42"])
    session = build_session(engine, abilities=frozenset())
    assert solve(ChainOfThought(), session).outcome.completion.text == "six sevens" and len(engine.calls) == 1
