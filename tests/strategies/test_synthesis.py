import pytest

from cogitate.strategies.core.ports import SampleFailed
from cogitate.strategies.core.run import Run
from cogitate.strategies.core.scripted import ScriptedEngine
from cogitate.strategies.core.trace import TextEmitted
from cogitate.strategies.core.types import Message, Prompt, Sampling
from cogitate.strategies.synthesis import Synthesis
from tests.fakes.run import build_session, events, solve


def writing(drafts, synthesis):
    texts = iter(drafts)

    def script(prompt, sampling):
        asked = (prompt.messages[-1].text if prompt.messages else str(prompt.raw)) + prompt.prefix
        return synthesis if "<candidate 0>" in asked else next(texts)

    return ScriptedEngine(script)


def box_answers(*answers):
    return [f"so \\boxed{{{answer}}}" for answer in answers]


@pytest.mark.parametrize(("method", "calls"), [("rsa", 8), ("moa", 8), ("pacore", 5)])
def test_answer_is_written_from_the_candidates(method, calls):
    engine = writing(box_answers(1, 2, 3, 4), "thus \\boxed{9}")
    finished = solve(Synthesis(method=method, n=4), build_session(engine))
    assert finished.outcome.answer.raw == "9"
    assert len(engine.calls) == calls


@pytest.mark.parametrize(("rounds", "least"), [((8, 2), 2), ((2, 8), 2), ((4,), 4)])
def test_candidates_is_the_smallest_round(rounds, least):
    assert Synthesis(method="pacore", rounds=rounds).candidates == least


def test_k_candidates_are_drawn_without_replacement():
    engine = writing(box_answers(1, 2, 3, 4), "thus \\boxed{9}")
    solve(Synthesis(n=4, k=3, loops=1), build_session(engine))
    for prompt, _ in engine.calls[4:]:
        text = prompt.messages[-1].text
        assert text.count("<candidate ") == 3 == sum(f"boxed{{{answer}}}" in text for answer in (1, 2, 3, 4))


def test_single_candidate_is_refined_rather_than_aggregated():
    engine = writing(box_answers(1, 2), "thus \\boxed{9}")
    solve(Synthesis(n=2, k=1, loops=1), build_session(engine))
    assert "improved" in engine.calls[-1][0].messages[-1].text


@pytest.mark.parametrize("method", ["rsa", "moa", "pacore"])
def test_consensus_ends_the_search_before_another_round(method):
    engine = ScriptedEngine(box_answers(7))
    finished = solve(Synthesis(method=method), build_session(engine))
    assert len(engine.calls) == 4 and finished.outcome.agreement == 1


def test_unchanged_majority_ends_rsa():
    engine = ScriptedEngine(box_answers(7, 7, 7, 8))
    assert solve(Synthesis(loops=16), build_session(engine)).outcome.answer.raw == "7"
    assert len(engine.calls) == 12


@pytest.mark.parametrize("method", ["moa", "pacore"])
def test_last_answer_is_streamed_unless_a_deadline_may_replace_it(method):
    for seconds in (None, 9):
        session = build_session(writing(box_answers(1, 2, 3, 4), "thus \\boxed{9}"))
        solve(Synthesis(method=method, loops=1), session, seconds=seconds)
        spoken = "".join(event.delta.text for event in events(session, TextEmitted))
        assert spoken == ("thus \\boxed{9}" if seconds is None else "")


@pytest.mark.parametrize("method", ["rsa", "moa", "pacore"])
def test_failed_synthesis_leaves_the_vote(method):
    engine = writing(box_answers(1, 2, 2, 4), SampleFailed("gone"))
    assert solve(Synthesis(method=method), build_session(engine)).outcome.answer.raw == "2"


@pytest.mark.parametrize("method", ["rsa", "moa", "pacore"])
@pytest.mark.parametrize("tokens", [1, 7, 30, 45])
def test_token_budget_is_exact_and_returns_the_best_so_far(method, tokens):
    engine = writing(box_answers(1, 2, 3, 4), "thus \\boxed{9}")
    finished = solve(Synthesis(method=method), build_session(engine, tokens=tokens))
    assert engine.decoded <= tokens and finished.outcome.completion.text


@pytest.mark.parametrize("options", [{}, {"method": "moa", "loops": 3}, {"method": "pacore", "rounds": (3, 2)}])
def test_cost_is_a_tight_upper_bound(options):
    words = iter(range(10**6))
    engine = ScriptedEngine(lambda prompt, sampling: f"{next(words)} b c d e f g h")
    strategy = Synthesis(**options)
    solve(strategy, build_session(engine, sampling=Sampling(max_tokens=5)))
    assert engine.decoded == strategy.cost(5) and strategy.in_flight == max(strategy.widths)


@pytest.mark.parametrize("raw", ["What is 6*7?", (1, 2, 3)])
def test_raw_prompt_can_be_synthesised(raw):
    engine = writing(box_answers(1, 2, 3, 4), "thus \\boxed{9}")
    if isinstance(raw, tuple):
        raw = tuple(engine.vocabulary.encode("What is 6*7?"))
    prompt = Prompt((), raw=raw)
    assert solve(Synthesis(instruction="", loops=1), build_session(engine), prompt=prompt).outcome.answer.raw == "9"


def test_synthesis_prompt_starts_with_the_unchanged_question():
    engine = writing(box_answers(1, 2, 3, 4), "thus \\boxed{9}")
    solve(Synthesis(loops=1), build_session(engine), prompt=Prompt((Message("user", "Why?"),)))
    prompt = engine.calls[-1][0]
    assert prompt.question == "Why?" and prompt.messages[-1].text.startswith(engine.calls[0][0].messages[-1].text)


def test_failed_last_answer_raises_after_part_of_it_was_streamed():
    session = build_session(writing(box_answers(1, 2, 3, 4), SampleFailed("gone")))
    Run(session).emit_text("the")
    with pytest.raises(SampleFailed):
        solve(Synthesis(method="moa", loops=1), session)
