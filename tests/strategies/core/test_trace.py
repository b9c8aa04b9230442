import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cogitate.strategies.core.event_log import Cursor
from cogitate.strategies.core.events import Aborted, Proposed, Sampled, Scored, TextEmitted
from cogitate.strategies.core.joining import join_steps
from cogitate.strategies.core.prompt import Message, Prompt, Segment
from cogitate.strategies.core.scripted import ScriptedEngine
from cogitate.strategies.core.trace import Trace, usage
from cogitate.strategies.core.types import MAX_DELTA_CHARACTERS, Completion, Outcome, TextDelta
from cogitate.strategies.self_consistency import SelfConsistency
from tests.fakes.run import build_session, events, solve

BASE = Prompt((Message("user", "hi"),))


def completion(prompt=BASE, prompt_tokens=10, tokens=3, cached=0, text="abc"):
    return Completion(
        prompt=prompt,
        text=text,
        finish="stop",
        token_ids=tuple(range(tokens)),
        prompt_tokens=prompt_tokens,
        completion_tokens=tokens,
        cached_tokens=cached,
    )


def compute_usage(*events):
    trace = Trace()
    for event in events:
        trace.emit(event)
    return usage(trace)


def test_usage_counts_a_shared_prompt_once_and_every_decoded_token():
    bill = compute_usage(
        Sampled("candidate", completion()),
        Sampled("candidate", completion(tokens=5)),
        Aborted("candidate", completion(tokens=2)),
    )
    assert (bill.prompt, bill.completion, bill.aborted) == (10, 10, 2)


def test_usage_counts_each_distinct_raw_prompt():
    raw, other = Prompt((), raw="one two"), Prompt((), raw="one two three")
    bill = compute_usage(
        *(Sampled("candidate", completion(prompt, tokens)) for prompt, tokens in ((raw, 2), (raw, 2), (other, 3)))
    )
    assert bill.prompt == 5


def test_depth_is_the_longest_sequence_of_dependent_decodes():
    """Two samples decode at a time: the third and fourth follow the first, while the second still decodes."""
    texts = iter(["w " * count for count in (9, 90, 5, 1)])
    session = build_session(ScriptedEngine(lambda prompt, sampling: next(texts), pace=0.001))
    solve(SelfConsistency(n=4, concurrency=2, stop_rule="none"), session)
    by_index = {event.completion.index: event for event in events(session, Sampled)}
    first, second, third, fourth = (by_index[at].completion.completion_tokens for at in range(4))
    assert [by_index[at].depth for at in range(4)] == [first, second, first + third, first + third + fourth]
    assert usage(session.trace).depth == second


def test_usage_adds_further_prompts():
    other = Prompt((Message("user", "other"),))
    bill = compute_usage(
        Sampled("candidate", completion()), Sampled("verifier", completion(other, prompt_tokens=7, tokens=1))
    )
    assert (bill.prompt, bill.completion, bill.verifier) == (17, 4, 1)


def test_usage_counts_inserted_text_but_not_a_continued_prefix():
    first = completion()
    second = completion(first.continuation, prompt_tokens=13)
    third = completion(second.continuation.prefill("so"), prompt_tokens=18)
    assert second.prompt.segments == (Segment("abc", (0, 1, 2)),)
    assert compute_usage(Sampled("step", first), Sampled("step", second)).prompt == 10
    assert compute_usage(*(Sampled("step", step) for step in (first, second, third))).prompt == 12


def test_cached_tokens_never_exceed_the_counted_prompts():
    assert (
        compute_usage(Sampled("candidate", completion(cached=4)), Sampled("candidate", completion(cached=10))).cached
        == 4
    )
    assert compute_usage(Sampled("candidate", completion(cached=99))).cached == 10


@pytest.mark.parametrize("happened", [Sampled, Aborted])
def test_prefix_cached_by_a_sibling_does_not_count_as_cached(happened):
    """The order in which they end does not matter."""
    assert (
        compute_usage(Sampled("candidate", completion(cached=8)), happened("candidate", completion(cached=0))).cached
        == 0
    )


def test_decode_with_unknown_cached_tokens_is_ignored():
    assert (
        compute_usage(Aborted("candidate", completion(cached=None)), Sampled("candidate", completion(cached=8))).cached
        == 8
    )
    assert compute_usage(Aborted("candidate", completion(cached=None))).cached == 0


def test_tokens_of_reward_models_count_as_verification():
    bill = compute_usage(Sampled("candidate", completion()), Scored(completion(), (0.5,), 40, 0.5))
    assert (bill.prompt, bill.verifier, bill.completion) == (50, 40, 3)


def test_join_steps_builds_one_completion():
    first = completion(text="a")
    joined = join_steps([first, completion(first.continuation, prompt_tokens=13, text="b")])
    assert (joined.text, joined.prompt, joined.completion_tokens, joined.prompt_tokens) == ("ab", BASE, 6, 10)


async def test_followers_replay_all_events_however_late_they_start():
    trace, early = Trace(), []

    async def follow():
        async for event in trace.follow():
            early.append(event)

    follower = asyncio.create_task(follow())
    for index in range(3):
        trace.emit(Proposed(Outcome(completion(tokens=index))))
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


def text_events(trace: Trace) -> list[tuple[str, bool]]:
    return [(event.delta.text, event.delta.reasoning) for event in trace if isinstance(event, TextEmitted)]


def read_new(trace: Trace, cursor: Cursor) -> list[str]:
    """Return what a reader at this cursor gets next: text, or the names of events."""
    found = []
    while (event := trace.next_event(cursor)) is not None:
        found.append(event.delta.text if isinstance(event, TextEmitted) else type(event).__name__)
    return found


def test_adjacent_text_is_merged_into_one_event():
    trace = Trace()
    for text, reasoning in (("a", False), ("b", False), ("c", False), ("d", True), ("e", True), ("f", False)):
        trace.emit(TextEmitted(TextDelta(text, reasoning)))
    assert text_events(trace) == [("abc", False), ("de", True), ("f", False)]


def test_every_reader_gets_growing_text_exactly_once():
    trace, early, late = Trace(), Cursor(), Cursor()
    trace.emit(TextEmitted(TextDelta("a")))
    assert read_new(trace, early) == ["a"] and read_new(trace, early) == []
    trace.emit(TextEmitted(TextDelta("b")))
    trace.emit(TextEmitted(TextDelta("c")))
    assert read_new(trace, early) == ["bc"]
    trace.emit(Proposed(Outcome(completion())))
    trace.emit(TextEmitted(TextDelta("d")))
    assert read_new(trace, early) == ["Proposed", "d"]
    assert read_new(trace, late) == ["abc", "Proposed", "d"] and read_new(trace, late) == []


@given(st.lists(st.sampled_from(["text", "thought", "outcome", "read early", "read late"]), max_size=60))
def test_readers_at_any_speed_get_the_same_text(acts):
    trace, cursors, texts = Trace(), [Cursor(), Cursor()], ["", ""]
    for at, act in enumerate([*acts, "read early", "read late"]):
        if act in ("text", "thought"):
            trace.emit(TextEmitted(TextDelta(f"{at},", act == "thought")))
        elif act == "outcome":
            trace.emit(Proposed(Outcome(completion())))
        else:
            texts[act == "read late"] += "".join(read_new(trace, cursors[act == "read late"]))
    written = [(at, act) for at, act in enumerate(acts) if not act.startswith("read")]
    expected = "".join("Proposed" if act == "outcome" else f"{at}," for at, act in written)
    assert texts == [expected] * 2


def test_long_text_is_split_so_that_merging_stays_linear():
    trace = Trace()
    for _ in range(1000):
        trace.emit(TextEmitted(TextDelta("x" * 100)))
    assert "".join(text for text, _ in text_events(trace)) == "x" * 100_000
    assert max(len(text) for text, _ in text_events(trace)) < MAX_DELTA_CHARACTERS + 100 and len(trace.entries) < 60


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
