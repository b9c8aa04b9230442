from dataclasses import dataclass, replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cogitate.strategies.budget_forcing import BudgetForcing
from cogitate.strategies.core.events import Sampled, TextEmitted
from cogitate.strategies.core.ports import SampleFailed
from cogitate.strategies.core.prompts import FINAL_ANSWER, NO_THOUGHT
from cogitate.strategies.core.scripted import ScriptedEngine
from cogitate.strategies.core.trace import usage
from cogitate.strategies.core.types import Sampling, TextDelta
from cogitate.strategies.thinking.early_exit import MAX_PROBE_TOKENS, PROBE
from cogitate.strategies.thinking.tags import CLOSE_TAG, OPEN_TAG
from tests.fakes.run import QUESTION, build_session, events, solve

THOUGHT = f"{OPEN_TAG}six times seven{CLOSE_TAG}"


def thinker(*parts, answer=" The answer is 42", probe="42}"):
    """An engine that thinks its parts in turn, continuing each where it was cut, then answers, or answers a probe."""

    def script(prompt, sampling):
        prefix = prompt.prefix
        if prefix.endswith(PROBE):
            return probe
        if prefix.endswith((CLOSE_TAG, FINAL_ANSWER)):
            return answer
        at = prefix.count("Wait")
        part, prefilled = parts[min(at, len(parts) - 1)], prefix.rpartition("Wait")[2]
        return part.removeprefix(prefilled) if part.startswith(prefilled) else part

    return ScriptedEngine(script)


def force(engine, sampling=None, tokens=None, seconds=None, **options):
    session = build_session(engine, tokens=tokens, sampling=sampling or Sampling(max_tokens=100))
    return session, solve(BudgetForcing(**options), session, seconds=seconds)


def streamed_text(session):
    return "".join(event.delta.text for event in events(session, TextEmitted))


def ramble(words=60):
    return f"{OPEN_TAG}{' on' * words}{CLOSE_TAG}"


def count_thinking_tokens(session):
    """Count the tokens of all decodes but the last, which is the answer."""
    return sum(event.completion.completion_tokens for event in events(session, Sampled)[:-1])


def test_answer_follows_a_thought_that_ends_by_itself():
    session, finished = force(thinker(THOUGHT), waits=0)
    assert finished.outcome.completion.text == f"{THOUGHT} The answer is 42" == streamed_text(session)
    assert finished.outcome.answer.raw == "42" and finished.stopped == "completed"


def test_wait_replaces_an_early_end():
    session, finished = force(thinker(THOUGHT, f" it is 42{CLOSE_TAG}"), waits=1)
    assert finished.outcome.completion.text == f"{OPEN_TAG}six times seven\n\nWait it is 42{CLOSE_TAG} The answer is 42"
    assert streamed_text(session) == finished.outcome.completion.text


def test_end_after_min_thinking_is_final():
    _, finished = force(thinker(THOUGHT), waits=9, min_thinking=5)
    assert "Wait" not in finished.outcome.completion.text
    _, finished = force(thinker(THOUGHT, f" hm hm hm{CLOSE_TAG}"), waits=9, min_thinking=6)
    assert finished.outcome.completion.text.count("Wait") == 1


def test_max_thinking_limits_all_parts_of_the_thinking_together():
    session, finished = force(thinker(THOUGHT, " a b c d e f g h"), waits=5, max_thinking=8)
    assert count_thinking_tokens(session) == 8
    assert finished.outcome.completion.text.endswith(f"Wait a b c{CLOSE_TAG}\n\n{FINAL_ANSWER} The answer is 42")


def test_chain_of_a_model_without_tags_is_the_thinking():
    session, finished = force(thinker("six sevens", " are many", answer=" 42"), waits=1)
    assert (
        finished.outcome.completion.text
        == f"six sevens\n\nWait are many\n\n{FINAL_ANSWER} 42"
        == streamed_text(session)
    )
    assert finished.outcome.answer.raw == "42"


def test_chain_with_an_answer_gets_no_second_call():
    engine = thinker("it is \\boxed{42}")
    _, finished = force(engine, waits=0)
    assert finished.outcome.completion.text == "it is \\boxed{42}" and len(engine.calls) == 1


def test_answer_after_the_label_counts_before_those_in_the_thought():
    _, finished = force(thinker("first \\boxed{7} then more", answer=" 42"), max_thinking=3)
    assert finished.outcome.answer.raw == "42"


def test_empty_text_after_the_label_leaves_the_answer_of_the_thought():
    session, finished = force(thinker("The answer is 42.", answer=""), waits=0, max_thinking=4)
    assert finished.outcome.completion.text == f"The answer is 42.\n\n{FINAL_ANSWER}" == streamed_text(session)
    assert finished.outcome.answer.raw == "42"
    _, finished = force(thinker("The answer is 42.", answer=" 41"), waits=0, max_thinking=4)
    assert finished.outcome.answer.raw == "41"


def test_turn_that_ends_inside_the_thought_is_closed_and_continued():
    _, finished = force(thinker(f"{OPEN_TAG}six"), waits=0)
    assert finished.outcome.completion.text == f"{OPEN_TAG}six{CLOSE_TAG}\n\n{FINAL_ANSWER} The answer is 42"


def test_thinking_continues_by_its_exact_token_ids():
    engine = thinker(THOUGHT, f" so{CLOSE_TAG}")
    force(engine, waits=1)
    for (before, _), (after, _) in zip(engine.calls, engine.calls[1:], strict=False):
        assert engine.prompt_ids(after)[: len(engine.prompt_ids(before))] == engine.prompt_ids(before)
    assert engine.calls[-1][0].segments[0].ids == tuple(engine.vocabulary.encode(f"{OPEN_TAG}six times seven"))


@pytest.mark.parametrize(("first", "opening"), [(f"{OPEN_TAG}so", f"{OPEN_TAG}\n"), ("so", "")])
def test_max_thinking_of_zero_inserts_a_finished_thought(first, opening):
    engine = thinker(first, answer=" 42")
    session, finished = force(engine, max_thinking=0)
    over = f"{OPEN_TAG}\n{NO_THOUGHT}\n{CLOSE_TAG}\n\n" if opening else ""
    assert finished.outcome.completion.text == f"{over}{FINAL_ANSWER} 42" == streamed_text(session)
    assert engine.decoded == usage(session.trace).completion == 1 + 2


def test_thought_opened_by_the_template_is_not_opened_again():
    engine = ScriptedEngine(["so", " 42"])
    session = build_session(engine)
    finished = solve(BudgetForcing(max_thinking=0), session, prompt=QUESTION.prefill(OPEN_TAG))
    assert finished.outcome.completion.text == f"{NO_THOUGHT}\n{CLOSE_TAG}\n\n{FINAL_ANSWER} 42"


SCRIPT = st.lists(
    st.sampled_from(["a", " b", "\n\n", " wait", OPEN_TAG, CLOSE_TAG, " \\boxed{7}", "é"]), max_size=30
).map("".join)


@settings(deadline=None, max_examples=100)
@given(
    texts=st.lists(SCRIPT, min_size=1, max_size=6),
    max_thinking=st.none() | st.integers(0, 20),
    waits=st.integers(0, 5),
    answer_tokens=st.integers(1, 20),
    limit=st.integers(1, 60),
    tokens=st.none() | st.integers(1, 60),
    early=st.sampled_from(["none", "confidence", "probes"]),
)
def test_thinking_never_exceeds_its_limit_and_always_leaves_an_answer(
    texts, max_thinking, waits, answer_tokens, limit, tokens, early
):
    engine = ScriptedEngine(texts)
    strategy = BudgetForcing(
        max_thinking=max_thinking,
        waits=waits,
        answer_tokens=answer_tokens,
        early_exit=early,
        probe_every=8,
        answer_format="boxed",
    )
    session = build_session(
        engine, tokens=tokens, sampling=Sampling(max_tokens=limit, logprobs=strategy.logprobs), answer_format="boxed"
    )
    finished = solve(strategy, session)
    sampled = [event.completion for event in events(session, Sampled)]
    decodes = [(asked, made.completion_tokens) for (_, asked), made in zip(engine.calls, sampled, strict=True)]
    thinking = sum(made for asked, made in decodes if asked.until)
    answers = [(asked.max_tokens, made) for asked, made in decodes if not asked.until and not asked.auxiliary]
    total = limit if tokens is None else min(limit, tokens)
    reserve = min(answer_tokens, max(1, total // 2))
    room = total - reserve if max_thinking is None else min(max_thinking, total - reserve)
    assert thinking <= (room or 1), "NoThinking drops its one token"
    assert (thinking if room else 0) + sum(made for _, made in answers) <= total
    assert finished.stopped in ("completed", "budget" if tokens and tokens < limit else "completed")
    assert finished.outcome.completion.text == streamed_text(session)
    assert usage(session.trace).completion == engine.decoded <= min(strategy.cost(limit), tokens or 1000)
    if not answers:
        assert finished.outcome.answer, "only a chain with an answer may end without a second call"
    elif tokens is None:
        assert answers[0][0] >= reserve and answers[0][1] > 0


def test_budget_below_max_tokens_reserves_tokens_for_the_answer():
    session, finished = force(thinker(f"{OPEN_TAG} {'on ' * 80}", answer=" 42"), tokens=10, answer_tokens=4)
    assert finished.outcome.answer.raw == "42" and count_thinking_tokens(session) == 6


def test_failed_answer_leaves_the_thought_and_failed_thought_raises():
    session, finished = force(thinker(THOUGHT, answer=SampleFailed("gone")), max_thinking=2)
    assert finished.outcome.completion.text == f"{OPEN_TAG}six{CLOSE_TAG}\n\n{FINAL_ANSWER}" == streamed_text(session)
    with pytest.raises(SampleFailed):
        force(ScriptedEngine([SampleFailed("gone")]))


def test_deadline_returns_the_thought_so_far():
    engine = thinker(ramble())
    engine.pace = 0.02
    _, finished = force(engine, seconds=0.1)
    assert finished.stopped == "deadline" and finished.outcome.completion.text.startswith(f"{OPEN_TAG} on")


@dataclass(slots=True)
class Parsing(ScriptedEngine):
    """An engine that separates reasoning from content, as with a reasoning parser."""

    async def generate(self, prompt, sampling, *, on_text=None, on_abort=None):
        made = await ScriptedEngine.generate(self, prompt, sampling)
        if not (made.thinking or sampling.until):
            on_text(TextDelta(made.text))
            return replace(made, content=made.text)
        if on_text:
            on_text(TextDelta(made.text.removeprefix(OPEN_TAG), reasoning=True))
        return replace(made, content="")


@pytest.mark.parametrize("max_thinking", [None, 0])
def test_inserted_text_goes_to_separate_reasoning_and_tags_are_invisible(max_thinking):
    engine = Parsing(thinker(THOUGHT, f" it is 42{CLOSE_TAG}").replies)
    session, finished = force(engine, waits=1, max_thinking=max_thinking)
    streamed = {
        apart: "".join(e.delta.text for e in events(session, TextEmitted) if e.delta.reasoning == apart)
        for apart in (0, 1)
    }
    thought = "six times seven\n\nWait it is 42" if max_thinking is None else f"{NO_THOUGHT}\n"
    label = "" if max_thinking is None else f"\n\n{FINAL_ANSWER}"
    assert streamed == {0: f"{label} The answer is 42", 1: thought}
    assert CLOSE_TAG in finished.outcome.completion.text


def test_abilities_and_logprobs_follow_the_options():
    assert BudgetForcing().needs == BudgetForcing(early_exit="probes").needs == {"continue"}
    assert BudgetForcing(early_exit="confidence").needs == {"continue", "logprobs"}
    assert BudgetForcing(early_exit="confidence").logprobs == 0 and BudgetForcing().logprobs is None
    assert BudgetForcing().cost(100) == 101
    assert BudgetForcing(early_exit="probes", max_thinking=64).cost(500) == 501 + MAX_PROBE_TOKENS


def test_outcome_is_marked_where_the_token_budget_ends_the_thinking():
    strategy = BudgetForcing(waits=0, answer_tokens=5)
    long = "on " * 50 + "\\boxed{7}"
    assert solve(strategy, build_session(ScriptedEngine([long, " 7"]), tokens=20)).stopped == "budget"
    assert (
        solve(strategy, build_session(ScriptedEngine([long, " 7"]), sampling=Sampling(max_tokens=20))).stopped
        == "completed"
    )
    own = BudgetForcing(waits=0, answer_tokens=5, max_thinking=6)
    assert solve(own, build_session(ScriptedEngine([long, " 7"]), tokens=20)).stopped == "completed"
