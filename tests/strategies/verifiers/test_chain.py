import asyncio
import math

import pytest

from cogitate.strategies.best_of_n import BestOfN
from cogitate.strategies.core.ports import SampleFailed
from cogitate.strategies.core.scripted import ScriptedEngine, ScriptedVerifier
from cogitate.strategies.core.trace import usage
from cogitate.strategies.verifiers import BUILT_IN
from cogitate.strategies.verifiers.chain import Chain, build_chains
from tests.fakes.programs import InProcessPrograms
from tests.fakes.run import QUESTION, build_session, solve
from tests.strategies.verifiers.test_unit_tests import (
    HALF,
    RIGHT,
    TESTS,
    WRONG,
    build_solution,
    refuse_verdicts,
    scores,
)


async def test_lost_verdict_stays_lost_in_a_chain():
    chain = Chain((ScriptedVerifier(lambda text: () if text == "a" else 0.5), ScriptedVerifier(lambda text: 0.8)))
    verdicts = await chain.judge(QUESTION, [build_solution("a"), build_solution("b")], refuse_verdicts)
    assert [verdict.steps for verdict in verdicts] == [(), (0.4,)]


async def test_scores_of_earlier_links_remain_where_later_verdicts_are_lost():
    check = ScriptedVerifier(lambda text: 1.0 if text == "a" else 0.0)
    chain = Chain((check, ScriptedVerifier(lambda text: SampleFailed("gone"))))
    verdicts = await chain.judge(QUESTION, [build_solution("a"), build_solution("b")], refuse_verdicts)
    assert [verdict.steps for verdict in verdicts] == [(), (0.0,)]


def test_later_links_judge_only_solutions_that_passed():
    engine = ScriptedEngine(
        lambda prompt, sampling: "Yes" if sampling.labels else (WRONG, RIGHT, HALF)[len(engine.calls) - 1],
        labels=lambda prompt: {"Yes": math.log(0.8), "No": math.log(0.2)},
    )
    session, strategy = build_session(engine), BestOfN(n=3, verifier="unit_tests+judge", tests=TESTS)
    session.verifiers = strategy.build_verifiers(session.verifiers, InProcessPrograms())
    outcome = solve(strategy, session).outcome
    assert outcome.completion.text == RIGHT and outcome.score == pytest.approx(0.8)
    assert sorted(other.score for other in outcome.alternatives) == pytest.approx([0.0, 0.4])
    assert usage(session.trace).verifier == 2


def test_chain_multiplies_steps_and_adds_tokens():
    available = {
        "gate": ScriptedVerifier(lambda text: [1.0, 0.5], tokens=3),
        "steps": ScriptedVerifier(lambda t: [1.0, 0.2], tokens=4),
    }
    chain = build_chains(["gate+steps"], available)["gate+steps"]
    (verdict,) = asyncio.run(chain.judge(QUESTION, [build_solution("x")], refuse_verdicts))
    assert verdict.steps == (0.5, 0.1) and verdict.tokens == 7
    nothing = build_chains(["no+steps"], {**available, "no": ScriptedVerifier(lambda text: 0.0)})["no+steps"]
    assert scores(nothing, "x") == [(0.0,)]


def test_chain_combines_the_needs_of_its_links():
    chain = build_chains(["confidence+judge"], BUILT_IN)["confidence+judge"]
    assert chain.logprobs == BUILT_IN["confidence"].logprobs and chain.needs == {"logprobs"}
    assert not chain.compares and build_chains(["number+pairwise"], BUILT_IN)["number+pairwise"].compares
    assert "judge+magic" not in build_chains(["judge+magic"], BUILT_IN)
