"""What the trace holds of each decode: its beginning, what it continues, its seed, and its bill."""

from dataclasses import replace

import pytest

from cogitate.strategies.best_of_n import BestOfN
from cogitate.strategies.budget_forcing import BudgetForcing
from cogitate.strategies.chain_of_thought import ChainOfThought
from cogitate.strategies.core.events import Aborted, Cast, Sampled, Scored, Started
from cogitate.strategies.core.prompt import Message, Prompt
from cogitate.strategies.core.recorder import Recorder
from cogitate.strategies.core.scripted import ScriptedEngine
from cogitate.strategies.core.seeds import derive_seed
from cogitate.strategies.core.trace import Trace
from cogitate.strategies.self_consistency import SelfConsistency
from cogitate.strategies.self_refine import SelfRefine
from cogitate.strategies.synthesis import Synthesis
from tests.fakes.run import QUESTION, SAMPLING, build_session, events, solve
from tests.strategies.search.test_step_ahead import SEARCHES, run_search

DECODES = Sampled, Aborted


def trace_back(session, index):
    """Return the text of a turn, from its first decode to this one."""
    made = {event.completion.index: event for event in events(session, *DECODES)}
    texts = []
    while index is not None:
        texts.append(made[index].completion.text)
        index = made[index].start.parent
    return "".join(reversed(texts))


def parents(session, role=None):
    return {event.index: event.parent for event in events(session, Started) if role in (None, event.role)}


def test_every_decode_has_a_beginning_with_its_seed_and_its_prompt():
    session = build_session(ScriptedEngine(["so \\boxed{1}"]), sampling=replace(SAMPLING, seed=7))
    solve(SelfConsistency(n=3, stop_rule="none"), session)
    made = events(session, Sampled)
    assert [event.start for event in made] == events(session, Started)
    assert [event.start.seed for event in made] == [derive_seed(7, at) for at in range(3)]
    assert [(event.start.parent, event.start.prompt) for event in made] == [(None, 0)] * 3


def test_an_aborted_decode_began_before_it_was_aborted():
    engine = ScriptedEngine(["\\boxed{4} word word"], pace=lambda call: 0.001 if call < 4 else 0.5)
    session = build_session(engine)
    solve(SelfConsistency(n=8, concurrency=8), session)
    aborted = events(session, Aborted)
    assert aborted and {event.start.index for event in aborted} == {event.completion.index for event in aborted}
    assert all(
        event.start.seconds < entry.seconds
        for entry in session.trace.entries
        for event in [entry.event]
        if isinstance(event, Aborted)
    )


def test_prompts_have_numbers_by_model_and_conversation_and_not_by_their_continuation():
    record, first = Recorder(Trace()), Prompt((Message("user", "a"),))
    same, other_model = first.prefill("so far"), replace(first, model="large")
    another = Prompt((Message("user", "b"),))
    prompts = (first, same, other_model, another, first)
    starts = [record.start(at, "step", each, parent=None, seed=None) for at, each in enumerate(prompts)]
    assert [start.prompt for start in starts] == [0, 0, 1, 2, 0]


@pytest.mark.parametrize("speculate", [False, True], ids=["in turn", "ahead"])
@pytest.mark.parametrize("name", SEARCHES)
def test_the_parents_of_a_step_lead_to_the_text_that_it_continues(name, speculate):
    dropped = 0
    for seed in range(6):
        session = run_search(
            SEARCHES[name], seed, speculate=speculate, pace=lambda call: (call * 7919 % 13 + 1) / 4
        ).session
        numbers = [event.completion.index for event in events(session, *DECODES)]
        assert len(numbers) == len(set(numbers)) and min(numbers) == 0
        for event in events(session, *DECODES):
            assert trace_back(session, event.completion.index) == event.completion.prompt.prefix + event.completion.text
            dropped += isinstance(event, Aborted)
    assert bool(dropped) == speculate


def test_an_early_step_began_before_it_was_known_to_be_needed():
    session = run_search(SEARCHES["beam_search"], 1, speculate=True).session
    told = {entry.event.index: entry.seconds for entry in session.trace.entries if isinstance(entry.event, Started)}
    ends = [entry.seconds for entry in session.trace.entries if isinstance(entry.event, Sampled)]
    starts = [event.start for event in events(session, Sampled)]
    assert any(start.seconds < end < told[start.index] for start in starts for end in ends)


def test_forced_thinking_and_its_probes_continue_the_thought_before():
    session = build_session(ScriptedEngine(["some words of a thought that goes on and on"]))
    solve(BudgetForcing(early_exit="probes", probe_every=8, waits=1), session)
    steps = parents(session, "step")
    assert list(steps.values()) == [None, *list(steps)[:-1]]
    assert all(parent in steps for parent in parents(session, "extraction").values())


def test_an_extraction_continues_the_chain():
    texts = iter(["no answer here", " 42"])
    session = build_session(ScriptedEngine(lambda prompt, sampling: next(texts)), answer_format="number")
    solve(ChainOfThought(), session)
    assert parents(session) == {0: None, 1: 0}


def test_a_verdict_judges_its_candidate_and_tells_who_gave_it():
    session = build_session(ScriptedEngine(["a \\boxed{1}", "b \\boxed{2}"]))
    solve(BestOfN(n=2, verifier="judge"), session)
    assert parents(session) == {0: None, 1: None, 2: 0, 3: 1}
    assert [event.verifier for event in events(session, Scored)] == ["judge"] * 2


def test_a_revision_has_the_answer_that_it_revises_as_its_parent():
    turns = iter(["draft \\boxed{1}", "It is 2. Verdict: revise", "better \\boxed{2}"])
    session = build_session(ScriptedEngine(lambda prompt, sampling: next(turns)), score_text=len)
    solve(SelfRefine(verifier="scripted", rounds=1), session)
    assert parents(session) == {0: None, 1: 0, 2: 0}


@pytest.mark.parametrize(("method", "expected"), [("moa", 0), ("fusion", 2), ("pdr", 2)])
def test_a_synthesis_continues_what_it_reads_first(method, expected):
    texts = iter(["so \\boxed{1}", "so \\boxed{2}", *["thus \\boxed{9}"] * 9])
    session = build_session(ScriptedEngine(lambda prompt, sampling: next(texts)))
    solve(Synthesis(method=method, n=2, loops=1), session)
    found = parents(session)
    last = max(found)
    assert found[last] == expected if method != "moa" else found[last] in (0, 1)


def test_votes_have_the_candidate_that_gave_their_answer_first():
    texts = ["\\boxed{1}", "\\boxed{2}", "nothing", "\\boxed{1.0}", "\\boxed{2}"]
    session = build_session(ScriptedEngine(texts))
    solve(SelfConsistency(n=5, stop_rule="none"), session)
    votes = events(session, Cast)
    assert [vote.bloc for vote in votes] == [0, 1, None, 0, 1]
    assert [vote.weight for vote in votes] == [1.0, 1.0, None, 1.0, 1.0]


def test_votes_are_told_again_where_a_later_answer_parts_them():
    """`3` may be `3 hours`, until there are `3 minutes` as well."""
    session = build_session(ScriptedEngine(["\\boxed{3}", "\\boxed{3 hours}", "\\boxed{3 minutes}"]))
    solve(SelfConsistency(n=3, stop_rule="none"), session)
    assert [(vote.completion.index, vote.bloc) for vote in events(session, Cast)] == [(0, 0), (1, 0), (1, 1), (2, 2)]


def test_a_search_without_votes_weighs_none():
    session = build_session(ScriptedEngine(["a \\boxed{1}", "b \\boxed{2}"]))
    solve(BestOfN(n=2, verifier="scripted"), session)
    assert {vote.weight for vote in events(session, Cast)} == {None}


def test_a_trace_of_beginnings_alone_has_no_news():
    trace = Trace()
    assert not trace.has_news
    Recorder(trace).start(0, "candidate", QUESTION, parent=None, seed=None)
    assert trace.count == 1 and not trace.has_news
