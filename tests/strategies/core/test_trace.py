import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cogitate.strategies.core.event_log import Cursor
from cogitate.strategies.core.scripted import ScriptedEngine
from cogitate.strategies.core.trace import Aborted, Proposed, Sampled, Scored, TextEmitted, Trace, usage
from cogitate.strategies.core.types import (
    MAX_DELTA_CHARACTERS,
    Completion,
    Message,
    Outcome,
    Prompt,
    Segment,
    TextDelta,
    join_steps,
)
from cogitate.strategies.self_consistency import SelfConsistency
from tests.fakes.run import build_session, events, solve

BASE = Prompt((Message("user", "hi"),))


def made(prompt=BASE, prompt_tokens=10, tokens=3, cached=0, text="abc"):
    return Completion(
        prompt=prompt,
        text=text,
        finish="stop",
        token_ids=tuple(range(tokens)),
        prompt_tokens=prompt_tokens,
        completion_tokens=tokens,
        cached_tokens=cached,
    )


def spent(*events):
    trace = Trace()
    for event in events:
        trace.emit(event)
    return usage(trace)


def test_usage_counts_a_shared_prompt_once_and_every_decoded_token():
    bill = spent(
        Sampled("candidate", made()), Sampled("candidate", made(tokens=5)), Aborted("candidate", made(tokens=2))
    )
    assert (bill.prompt, bill.completion, bill.aborted) == (10, 10, 2)


def test_usage_counts_each_distinct_raw_prompt():
    raw, other = Prompt((), raw="one two"), Prompt((), raw="one two three")
    bill = spent(*(Sampled("candidate", made(prompt, tokens)) for prompt, tokens in ((raw, 2), (raw, 2), (other, 3))))
    assert bill.prompt == 5


def test_depth_is_the_longest_sequence_of_dependent_decodes():
    """Two at a time: the first, then two short ones, while the second decodes."""
    texts = iter(["w " * count for count in (9, 90, 5, 1)])
    session = build_session(ScriptedEngine(lambda prompt, sampling: next(texts), pace=0.001))
    solve(SelfConsistency(n=4, concurrency=2, stop_rule="none"), session)
    told = {event.completion.index: event for event in events(session, Sampled)}
    first, second, third, fourth = (told[at].completion.completion_tokens for at in range(4))
    assert [told[at].depth for at in range(4)] == [first, second, first + third, first + third + fourth]
    assert usage(session.trace).depth == second


def test_usage_adds_further_prompts():
    other = Prompt((Message("user", "other"),))
    bill = spent(Sampled("candidate", made()), Sampled("verifier", made(other, prompt_tokens=7, tokens=1)))
    assert (bill.prompt, bill.completion, bill.verifier) == (17, 4, 1)


def test_usage_counts_inserted_text_but_not_a_continued_prefix():
    first = made()
    second = made(first.continuation, prompt_tokens=13)
    third = made(second.continuation.prefill("so"), prompt_tokens=18)
    assert second.prompt.segments == (Segment("abc", (0, 1, 2)),)
    assert spent(Sampled("step", first), Sampled("step", second)).prompt == 10
    assert spent(*(Sampled("step", step) for step in (first, second, third))).prompt == 12


def test_cached_tokens_never_exceed_the_counted_prompts():
    assert spent(Sampled("candidate", made(cached=4)), Sampled("candidate", made(cached=10))).cached == 4
    assert spent(Sampled("candidate", made(cached=99))).cached == 10


@pytest.mark.parametrize("happened", [Sampled, Aborted])
def test_prefix_cached_by_a_sibling_does_not_count_as_cached(happened):
    """Whichever ends first."""
    assert spent(Sampled("candidate", made(cached=8)), happened("candidate", made(cached=0))).cached == 0


def test_decode_with_unknown_cached_tokens_is_ignored():
    assert spent(Aborted("candidate", made(cached=None)), Sampled("candidate", made(cached=8))).cached == 8
    assert spent(Aborted("candidate", made(cached=None))).cached == 0


def test_tokens_of_reward_models_count_as_verification():
    bill = spent(Sampled("candidate", made()), Scored(made(), (0.5,), 40, 0.5))
    assert (bill.prompt, bill.verifier, bill.completion) == (50, 40, 3)


def test_join_steps_builds_one_completion():
    first = made(text="a")
    whole = join_steps([first, made(first.continuation, prompt_tokens=13, text="b")])
    assert (whole.text, whole.prompt, whole.completion_tokens, whole.prompt_tokens) == ("ab", BASE, 6, 10)


async def test_followers_replay_all_events_however_late_they_start():
    trace, early = Trace(), []

    async def follow():
        async for event in trace.follow():
            early.append(event)

    follower = asyncio.create_task(follow())
    for index in range(3):
        trace.emit(Proposed(Outcome(made(tokens=index))))
        await asyncio.sleep(0)
    trace.close()
    await follower
    late = [event async for event in trace.follow()]
    assert early == late == list(trace) and len(late) == 3
    assert [event async for event in trace.follow(Cursor(2))] == late[2:]


def test_messages_with_content_parts_can_be_read_and_extended():
    message = Message("user", ({"type": "text", "text": "a"}, {"type": "image_url", "image_url": {}}))
    prompt = Prompt((Message("system", "s"), message, Message("assistant", None, {"tool_calls": []})))
    instructed = prompt.instruct(" b")
    assert (prompt.question, instructed.question) == ("a", "a")
    assert instructed.messages[1].text == "a b" and instructed.messages[2] is prompt.messages[2]
    assert Prompt((Message("system", "s"),)).instruct("x").messages == (Message("system", "s"),)
    assert prompt.messages[2].with_text("x").text == "x" and Prompt(()).question == ""


def spoken(trace: Trace) -> list[tuple[str, bool]]:
    return [(event.delta.text, event.delta.reasoning) for event in trace if isinstance(event, TextEmitted)]


def told(trace: Trace, place: Cursor) -> list[str]:
    """What one who has come to this place is told now, text by its words."""
    found = []
    while (event := trace.next_event(place)) is not None:
        found.append(event.delta.text if isinstance(event, TextEmitted) else type(event).__name__)
    return found


def test_adjacent_text_is_merged_into_one_event():
    trace = Trace()
    for text, reasoning in (("a", False), ("b", False), ("c", False), ("d", True), ("e", True), ("f", False)):
        trace.emit(TextEmitted(TextDelta(text, reasoning)))
    assert spoken(trace) == [("abc", False), ("de", True), ("f", False)]


def test_every_reader_gets_growing_text_exactly_once():
    trace, early, late = Trace(), Cursor(), Cursor()
    trace.emit(TextEmitted(TextDelta("a")))
    assert told(trace, early) == ["a"] and told(trace, early) == []
    trace.emit(TextEmitted(TextDelta("b")))
    trace.emit(TextEmitted(TextDelta("c")))
    assert told(trace, early) == ["bc"]
    trace.emit(Proposed(Outcome(made())))
    trace.emit(TextEmitted(TextDelta("d")))
    assert told(trace, early) == ["Proposed", "d"]
    assert told(trace, late) == ["abc", "Proposed", "d"] and told(trace, late) == []


@given(st.lists(st.sampled_from(["say", "think", "propose", "tell", "tell late"]), max_size=60))
def test_readers_at_any_speed_get_the_same_text(acts):
    trace, places, heard = Trace(), [Cursor(), Cursor()], ["", ""]
    for at, act in enumerate([*acts, "tell", "tell late"]):
        if act in ("say", "think"):
            trace.emit(TextEmitted(TextDelta(f"{at},", act == "think")))
        elif act == "propose":
            trace.emit(Proposed(Outcome(made())))
        else:
            heard[act == "tell late"] += "".join(told(trace, places[act == "tell late"]))
    said = [f"{at}," if act in ("say", "think") else "Proposed" for at, act in enumerate(acts) if "tell" not in act]
    assert heard == ["".join(said)] * 2


def test_long_text_is_split_so_that_merging_stays_linear():
    trace = Trace()
    for _ in range(1000):
        trace.emit(TextEmitted(TextDelta("x" * 100)))
    assert "".join(text for text, _ in spoken(trace)) == "x" * 100_000
    assert max(len(text) for text, _ in spoken(trace)) < MAX_DELTA_CHARACTERS + 100 and len(trace.entries) < 60


async def test_follower_gets_every_event_once():
    trace, heard = Trace(), []

    async def listen():
        async for event in trace.follow():
            heard.append(event.delta.text)
            await asyncio.sleep(0.001)

    listening = asyncio.ensure_future(listen())
    for number in range(300):
        trace.emit(TextEmitted(TextDelta(f"{number} ")))
        await asyncio.sleep(0.0003 if number % 50 == 0 else 0)
    trace.close()
    await listening
    assert "".join(heard) == "".join(f"{number} " for number in range(300)) and len(heard) < 300
