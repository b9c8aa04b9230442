"""Asking for the answer in the middle of a search."""

import asyncio
from dataclasses import replace

import pytest
from pydantic import TypeAdapter

from cogitate.strategies import NAMES, AnyStrategy
from cogitate.strategies.core.events import Aborted, Sampled, TextEmitted
from cogitate.strategies.core.execute import NoOutcome, execute
from cogitate.strategies.core.ports import ABILITIES, SampleFailed
from cogitate.strategies.core.prompt import Message, Prompt
from cogitate.strategies.core.prompts import FINAL_ANSWER, NO_THOUGHT
from cogitate.strategies.core.scripted import ScriptedEngine
from cogitate.strategies.core.trace import usage
from cogitate.strategies.core.types import Sampling, ToolCall
from cogitate.strategies.thinking.closing import MAX_SHORT_TOKENS, close_thought
from cogitate.strategies.thinking.tags import CLOSE_TAG, OPEN_TAG
from tests.fakes.programs import InProcessPrograms
from tests.fakes.run import QUESTION, build_session, events

POEM = Prompt((Message("user", "Write a poem about the sea."),))


def build(name, **options):
    return TypeAdapter(AnyStrategy).validate_python({"name": name, **options})


def thinking(prompt, sampling):
    """Thinks without end, and answers 42 where the thought is closed."""
    return " 42" if FINAL_ANSWER in prompt.prefix else f"{OPEN_TAG}" + " on" * 3000


def rambling(prompt, sampling):
    """The same without tags."""
    return " 42" if FINAL_ANSWER in prompt.prefix else "on" + " and on" * 3000


def ask(strategy, session, *, tokens=40, prompt=QUESTION, reason="asked", seconds=None):
    """Run a strategy, and ask for its answer once so many tokens are decoded; 0: before it begins."""

    async def main():
        if seconds is not None:
            session.budget.deadline = asyncio.get_running_loop().time() + seconds
        if tokens == 0:
            session.budget.interrupt.request(reason)
        search = asyncio.create_task(execute(strategy, strategy.instruct(prompt), session, close_thought))
        for _ in range(5000):
            if session.engine.decoded >= tokens:
                break
            await asyncio.sleep(0.001)
        session.budget.interrupt.request(reason)
        finished = await asyncio.wait_for(search, 10)
        assert session.engine.running == 0, "a decode outlived its strategy"
        assert usage(session.trace).completion == session.engine.decoded
        return finished

    return asyncio.run(main())


def open_session(script, *, pace=0.001, limit=2000, **fields):
    engine = ScriptedEngine(script, pace=pace)
    sampling = fields.pop("sampling", Sampling(max_tokens=limit))
    session = build_session(engine, sampling=sampling, score_text=lambda text: 0.5, **fields)
    session.programs = InProcessPrograms()
    return session


@pytest.mark.parametrize("script", [thinking, rambling])
@pytest.mark.parametrize("name", NAMES)
def test_every_strategy_closes_the_thought_under_way_and_answers(name, script):
    session = open_session(script)
    finished = ask(build(name), session)
    assert (finished.stopped, finished.outcome.answer.raw) == ("asked", "42")
    text = finished.outcome.completion.text
    assert text.endswith(f"\n\n{FINAL_ANSWER} 42")
    assert (f"on{CLOSE_TAG}\n\n" in text) == (script is thinking)
    assert events(session, Aborted)


@pytest.mark.parametrize("name", NAMES)
def test_every_strategy_answers_before_it_has_decoded_anything(name):
    session = open_session(thinking)
    finished = ask(build(name), session, tokens=0)
    assert (finished.stopped, finished.outcome.answer.raw) == ("asked", "42")
    assert NO_THOUGHT in finished.outcome.completion.text and session.engine.decoded < 40


def test_an_answer_that_was_found_is_given_without_another_decode():
    engine = ScriptedEngine(["\\boxed{7}"], pace=lambda call: 0.0 if call < 2 else 0.2)
    session = build_session(engine)
    finished = ask(build("self_consistency", n=4, stop_rule="none"), session, tokens=6)
    assert (finished.stopped, finished.outcome.answer.raw) == ("asked", "7")
    assert len(engine.calls) == 4 and len(events(session, Aborted)) == 2


def test_the_closed_thought_continues_by_its_exact_token_ids():
    session = open_session(thinking)
    ask(build("self_consistency", n=1), session)
    (aborted,) = (event.completion for event in events(session, Aborted))
    assert session.engine.calls[-1][0].segments[0].ids == aborted.token_ids


def test_the_answer_has_few_tokens_and_the_thought_is_the_longest():
    def script(prompt, sampling):
        return "so" + " more" * 3000 if FINAL_ANSWER in prompt.prefix else thinking(prompt, sampling)

    engine = ScriptedEngine(script, pace=lambda call: 0.05 if call in (0, 1, 3) else 0.001)
    session = build_session(engine, sampling=Sampling(max_tokens=2000))
    finished = ask(build("self_consistency", n=4), session)
    longest = max((event.completion for event in events(session, Aborted)), key=lambda made: len(made.text))
    assert finished.outcome.completion.text.startswith(longest.text) and longest.index == 2
    (answer,) = events(session, Sampled)[1:]
    assert answer.completion.completion_tokens == MAX_SHORT_TOKENS


def test_the_tokens_of_the_answer_come_out_of_the_budget_and_the_limit():
    session = open_session(thinking, tokens=60)
    ask(build("self_consistency", n=1), session)
    assert session.engine.decoded <= 60
    session = open_session(lambda prompt, sampling: "on" + " on" * 3000, limit=50, pace=0.01)
    ask(build("self_consistency", n=1), session)
    assert events(session, Sampled)[-1].completion.completion_tokens <= 10


@pytest.mark.parametrize("name", ["chain_of_thought", "budget_forcing"])
def test_the_answer_continues_the_text_that_was_streamed(name):
    session = open_session(rambling)
    finished = ask(build(name), session)
    shown = "".join(event.delta.text for event in events(session, TextEmitted))
    assert shown and finished.outcome.completion.text.startswith(shown)


def test_a_streamed_synthesis_is_closed_although_its_drafts_have_answers():
    def script(prompt, sampling):
        is_draft = "andidate" not in prompt.messages[-1].text
        return f"\\boxed{{{len(session.engine.calls)}}}" if is_draft else rambling(prompt, sampling)

    session = open_session(script)
    finished = ask(build("synthesis", method="pacore"), session, tokens=60)
    shown = "".join(event.delta.text for event in events(session, TextEmitted))
    assert finished.stopped == "asked" and shown and finished.outcome.completion.text.startswith(shown)


@pytest.mark.parametrize(
    "fields",
    [
        {"sampling": Sampling(max_tokens=50, constrained=True)},
        {"abilities": ABILITIES - {"continue"}},
        {"answer_format": "json"},
    ],
)
def test_a_thought_that_cannot_be_closed_is_waited_for(fields):
    engine = ScriptedEngine(['it is {"a": 42}, \\boxed{42}'], pace=lambda call: 0.005 if call == 3 else 5)
    session = build_session(engine, **fields)
    finished = ask(build("self_consistency", n=4, stop_rule="none"), session, tokens=1)
    assert finished.stopped == "asked" and "42" in finished.outcome.answer.raw
    assert len(events(session, Sampled)) == 1 and len(events(session, Aborted)) == 3


def test_a_request_that_offers_tools_is_answered_with_the_first_call():
    engine = ScriptedEngine([ToolCall("add", '{"a": 1}')], pace=lambda call: 0.005 if call == 1 else 5)
    session = build_session(engine)
    session.request = replace(session.request, reader=replace(session.request.reader, tools=True))
    finished = ask(build("self_consistency", n=2, stop_rule="none"), session, tokens=1)
    assert finished.stopped == "asked" and finished.outcome.completion.tool_calls


def test_a_poem_is_returned_as_far_as_it_is_written():
    session = open_session(rambling)
    finished = ask(build("self_consistency", n=1), session, prompt=POEM)
    assert finished.stopped == "asked" and finished.outcome.completion.text.startswith("on and on")
    assert FINAL_ANSWER not in finished.outcome.completion.text


def test_a_poem_that_is_still_a_thought_is_begun():
    def script(prompt, sampling):
        return "Waves." if prompt.prefix.rstrip().endswith(CLOSE_TAG) else f"{OPEN_TAG}" + " on" * 3000

    session = open_session(script)
    finished = ask(build("self_consistency", n=1), session, prompt=POEM)
    assert finished.outcome.completion.text.endswith(f"{CLOSE_TAG}\n\nWaves.")


def test_a_lost_answer_leaves_the_best_so_far():
    def script(prompt, sampling):
        return SampleFailed("gone") if len(session.engine.calls) > 1 else rambling(prompt, sampling)

    session = open_session(script)
    finished = ask(build("self_consistency", n=1), session)
    assert finished.stopped == "asked" and finished.outcome.completion.text.startswith("on and on")


def test_draining_returns_the_best_so_far_without_another_decode():
    session = open_session(thinking)
    finished = ask(build("self_consistency", n=2), session, reason="draining")
    assert finished.stopped == "draining" and finished.outcome.completion.finish == "abort"
    assert len(session.engine.calls) == 2
    with pytest.raises(NoOutcome):
        ask(build("self_consistency", n=2), open_session(thinking), tokens=0, reason="draining")


def test_the_deadline_holds_while_the_answer_is_decoded():
    def pace(call):
        return 0.001 if call == 0 else 5

    session = open_session(rambling, pace=pace)
    finished = ask(build("self_consistency", n=1), session, seconds=0.3)
    assert finished.stopped == "asked" and finished.outcome.completion.finish == "abort"
