import asyncio
from dataclasses import replace

import pytest

from cogitate.strategies.core.budget import BudgetExhausted, smallest_limit
from cogitate.strategies.core.events import Scored, Shed
from cogitate.strategies.core.execute import NoOutcome, execute
from cogitate.strategies.core.ports import SampleFailed
from cogitate.strategies.core.prompt import Segment
from cogitate.strategies.core.run import Run
from cogitate.strategies.core.scripted import ScriptedEngine, ScriptedVerifier
from cogitate.strategies.core.seeds import derive_seed
from cogitate.strategies.core.types import Outcome, Sampling
from cogitate.strategies.verifiers.chain import build_chains
from tests.fakes.run import QUESTION, build_session, events

MAX_PUBLIC_NAMES = 10


class FunctionStrategy:
    """A strategy that is one function."""

    def __init__(self, solve):
        self.solve = solve


def run_over(replies, **options) -> Run:
    return Run(build_session(ScriptedEngine(replies, **options)))


def test_run_shows_a_strategy_at_most_ten_names():
    run = run_over(["x"])
    names = [name for name in dir(run) if not name.startswith("_")]
    assert {"generate", "race", "read", "score", "propose", "budget"} <= {*names}
    assert len(names) <= MAX_PUBLIC_NAMES, names


async def test_completions_come_in_the_order_of_their_prompts():
    run = run_over(["a", "b", "c"], pace=lambda call: 0.003 * (3 - call))
    assert [made.text for made in await run.generate_each([QUESTION] * 3, role="step")] == ["a", "b", "c"]
    assert [made.index for made in await run.generate_each([QUESTION] * 2, role="step")] == [3, 4]


async def test_one_failed_decode_is_none_and_all_failed_raise():
    first, second = await run_over([SampleFailed("gone"), "b"]).generate_each([QUESTION] * 2, max_tokens=[9, 9])
    assert first is None and second.text == "b"
    with pytest.raises(SampleFailed):
        await run_over([SampleFailed("gone")]).generate_each([QUESTION] * 2)


async def test_scoring_no_candidates_calls_no_verifier():
    assert await run_over(["x"]).score("missing", [], "last") == []


async def test_budget_that_ends_without_an_answer_raises_no_outcome():
    async def solve(prompt, run):
        raise BudgetExhausted

    with pytest.raises(NoOutcome):
        await execute(FunctionStrategy(solve), QUESTION, build_session(ScriptedEngine(["x"])))


async def test_timeout_error_of_the_engine_is_not_taken_for_the_deadline():
    async def solve(prompt, run):
        raise TimeoutError("the engine's")

    with pytest.raises(TimeoutError, match="the engine's"):
        await execute(FunctionStrategy(solve), QUESTION, build_session(ScriptedEngine(["x"])))


async def test_incumbent_is_the_outcome_when_the_deadline_passes():
    async def solve(prompt, run):
        run.propose(Outcome(await run.generate(prompt)))
        await asyncio.sleep(9)

    session = build_session(ScriptedEngine(["x"]))
    session.budget.deadline = asyncio.get_running_loop().time() + 0.05
    finished = await execute(FunctionStrategy(solve), QUESTION, session)
    assert (finished.outcome.completion.text, finished.stopped) == ("x", "deadline")


def test_derived_seeds_are_distinct_and_repeatable():
    assert len({derive_seed(seed, index) for seed in range(20) for index in range(20)}) == 400
    assert derive_seed(1, 2) == derive_seed(1, 2) and 0 <= derive_seed(-5, 0) < 2**32


def test_smallest_limit_ignores_none():
    assert (smallest_limit(None, 3, 2), smallest_limit(None, None), smallest_limit()) == (2, None, None)


async def test_step_is_sampled_as_the_request_with_its_own_limit_and_separator():
    engine = ScriptedEngine(["x"])
    run = Run(build_session(engine, sampling=Sampling(max_tokens=9, temperature=0.3, logprobs=2)))
    await run.generate_each([QUESTION], role="step", max_tokens=[4], stop="\n\n")
    (_, sampling) = engine.calls[0]
    assert (sampling.max_tokens, sampling.temperature, sampling.logprobs, sampling.stop) == (4, 0.3, 2, ("\n\n",))
    assert sampling.needs_token_ids and not sampling.auxiliary


async def test_failed_prompt_leaves_the_completions_of_its_siblings_in_place():
    prompts = [replace(QUESTION, segments=(Segment(start),)) for start in "abc"]
    engine = ScriptedEngine(
        lambda prompt, sampling: SampleFailed("gone") if prompt.prefix == "b" else prompt.prefix * 2
    )
    made = await Run(build_session(engine)).generate_each(prompts, max_tokens=7)
    assert [one and one.text for one in made] == ["aa", None, "cc"]
    assert all(sampling.max_tokens == 7 and not sampling.auxiliary for _, sampling in engine.calls)


async def test_verifier_question_is_free_of_the_clients_constraints():
    engine = ScriptedEngine(["x"])
    run = Run(build_session(engine, sampling=Sampling(temperature=0.7)))
    await run.generate_each([QUESTION], role="verifier", greedy=True)
    assert engine.calls[0][1].auxiliary and engine.calls[0][1].temperature == 0


async def test_labels_ask_for_one_greedy_token_without_the_clients_sampling():
    engine = ScriptedEngine(["x"])
    run = Run(build_session(engine, sampling=Sampling(max_tokens=9, temperature=0.7, seed=5)))
    await run.generate_each([QUESTION], role="verifier", labels=("Yes", "No"))
    expected = Sampling(max_tokens=1, temperature=0.0, labels=("Yes", "No"), auxiliary=True)
    assert engine.calls[0][1] == expected


@pytest.mark.parametrize("under_load", [False, True])
def test_load_is_shed_and_recorded_only_while_other_requests_wait(under_load):
    session = build_session(ScriptedEngine(["x"]))
    session.budget.under_load = lambda: under_load
    assert Run(session).budget.shed_load(0.9) is under_load
    assert events(session, Shed) == ([Shed(0.9)] if under_load else [])


@pytest.mark.parametrize(("how", "score"), [(None, 0.2), ("last", 0.9), ("prod", 0.18)])
async def test_step_scores_are_aggregated_as_requested_or_as_the_verifier_prefers(how, score):
    session = build_session(ScriptedEngine(["x"]))
    session.verifiers = {"steps": ScriptedVerifier(lambda text: [0.2, 0.9], aggregation="min")}
    run = Run(session)
    assert await run.score("steps", [await run.generate(QUESTION)], how) == [pytest.approx(score)]
    assert [(event.steps, event.score) for event in events(session, Scored)] == [((0.2, 0.9), pytest.approx(score))]


def test_verifier_chain_aggregates_as_its_last_link():
    known = {"first": ScriptedVerifier(len, aggregation="min"), "last": ScriptedVerifier(len, aggregation="prod")}
    assert build_chains(["first+last"], known)["first+last"].aggregation == "prod"
