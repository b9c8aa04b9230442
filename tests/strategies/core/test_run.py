import asyncio
from dataclasses import replace

import pytest

from cogitate.strategies.core.budget import BudgetExhausted
from cogitate.strategies.core.execute import execute
from cogitate.strategies.core.ports import SampleFailed
from cogitate.strategies.core.seeds import derived_seed, least
from cogitate.strategies.core.trace import Scored
from cogitate.strategies.core.types import Outcome, Piece, Sampling
from cogitate.strategies.verifiers.chain import chained
from tests.fakes.run import QUESTION, events, run_of
from tests.fakes.scripted import ScriptedEngine, ScriptedVerifier


class Once:
    """A strategy as a function."""

    def __init__(self, solve):
        self.solve = solve


async def test_steps_come_in_the_order_they_were_asked_for():
    run = run_of(ScriptedEngine(["a", "b", "c"], pace=lambda call: 0.003 * (3 - call)))
    assert [made.text for made in await run.steps([QUESTION] * 3, None, [9] * 3)] == ["a", "b", "c"]
    assert [made.index for made in await run.steps([QUESTION] * 2, None, [9] * 2)] == [3, 4]


async def test_a_lost_step_keeps_its_place_and_all_lost_is_a_failure():
    first, second = await run_of(ScriptedEngine([SampleFailed("gone"), "b"])).steps([QUESTION] * 2, None, [9] * 2)
    assert first is None and second.text == "b"
    with pytest.raises(SampleFailed):
        await run_of(ScriptedEngine([SampleFailed("gone")])).steps([QUESTION] * 2, None, [9] * 2)


async def test_no_candidates_need_no_verifier():
    assert await run_of(ScriptedEngine(["x"])).score("scripted", [], "last") == []


async def test_a_budget_that_ends_inside_a_strategy_without_an_answer_is_told():
    async def solve(prompt, run):
        raise BudgetExhausted

    with pytest.raises(Exception, match="^$"):
        await execute(Once(solve), QUESTION, run_of(ScriptedEngine(["x"])))


async def test_a_timeout_of_the_engines_own_is_not_the_deadline():
    async def solve(prompt, run):
        raise TimeoutError("the engine's")

    with pytest.raises(TimeoutError, match="the engine's"):
        await execute(Once(solve), QUESTION, run_of(ScriptedEngine(["x"])))


async def test_the_incumbent_answers_when_the_budget_ends():
    async def solve(prompt, run):
        run.propose(Outcome(await run.generate(prompt)))
        await asyncio.sleep(9)

    run = run_of(ScriptedEngine(["x"]))
    run.budget.deadline = asyncio.get_running_loop().time() + 0.05
    finished = await execute(Once(solve), QUESTION, run)
    assert (finished.outcome.completion.text, finished.stopped) == ("x", "deadline")


def test_seeds_are_independent_streams():
    assert len({derived_seed(seed, index) for seed in range(20) for index in range(20)}) == 400
    assert derived_seed(1, 2) == derived_seed(1, 2) and 0 <= derived_seed(-5, 0) < 2**32


def test_the_least_of_limits():
    assert (least(None, 3, 2), least(None, None), least()) == (2, None, None)


async def test_a_step_keeps_the_requests_sampling():
    engine = ScriptedEngine(["x"])
    run = run_of(engine, sampling=Sampling(max_tokens=9, temperature=0.3, logprobs=2))
    await run.steps([QUESTION], "\n\n", [4])
    (_, sampling) = engine.calls[0]
    assert (sampling.max_tokens, sampling.temperature, sampling.logprobs, sampling.stop) == (4, 0.3, 2, ("\n\n",))


async def test_each_prompt_has_its_completion_in_its_place():
    prompts = [replace(QUESTION, pieces=(Piece(start),)) for start in "abc"]
    engine = ScriptedEngine(
        lambda prompt, sampling: SampleFailed("gone") if prompt.prefix == "b" else prompt.prefix * 2
    )
    made = await run_of(engine).each(prompts, max_tokens=7)
    assert [one and one.text for one in made] == ["aa", None, "cc"]
    assert all(sampling.max_tokens == 7 and not sampling.auxiliary for _, sampling in engine.calls)


async def test_a_question_of_ours_is_free_of_the_clients_constraints():
    engine = ScriptedEngine(["x"])
    await run_of(engine, sampling=Sampling(temperature=0.7)).each([QUESTION], role="verifier", greedy=True)
    assert engine.calls[0][1].auxiliary and engine.calls[0][1].temperature == 0


@pytest.mark.parametrize(("how", "score"), [(None, 0.2), ("last", 0.9), ("prod", 0.18)])
async def test_steps_are_aggregated_as_the_client_says_or_as_suits_the_verifier(how, score):
    run = run_of(ScriptedEngine(["x"]))
    run.verifiers = {"steps": ScriptedVerifier(lambda text: [0.2, 0.9], aggregation="min")}
    assert await run.score("steps", [await run.generate(QUESTION)], how) == [pytest.approx(score)]
    assert [(event.steps, event.score) for event in events(run, Scored)] == [((0.2, 0.9), pytest.approx(score))]


def test_a_chain_is_aggregated_as_suits_its_last_link():
    known = {"first": ScriptedVerifier(len, aggregation="min"), "last": ScriptedVerifier(len, aggregation="prod")}
    assert chained(["first+last"], known)["first+last"].aggregation == "prod"
