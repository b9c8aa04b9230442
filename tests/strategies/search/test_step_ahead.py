"""Steps that start early change what a search waits for, and nothing else."""

import asyncio
import random
from dataclasses import dataclass, replace

import pytest

from cogitate.server.evaluation import virtual_time
from cogitate.strategies.beam_search import BeamSearch
from cogitate.strategies.core.budget import Budget
from cogitate.strategies.core.events import Aborted, Sampled
from cogitate.strategies.core.execute import execute
from cogitate.strategies.core.ports import SampleFailed
from cogitate.strategies.core.scripted import ScriptedEngine, ScriptedVerifier
from cogitate.strategies.core.trace import Usage, usage
from cogitate.strategies.core.types import Sampling
from cogitate.strategies.dvts import Dvts
from cogitate.strategies.particle_filter import ParticleFilter
from cogitate.strategies.verifiers.programmatic import STEP_SEPARATOR
from tests.fakes.run import QUESTION, build_session, events

SEARCHES = {
    "beam_search": BeamSearch(n=8, width=2, verifier="scripted", max_steps=6),
    "wide beams": BeamSearch(n=8, width=4, verifier="scripted", max_steps=6),
    "dvts": Dvts(n=8, width=2, verifier="scripted", max_steps=6),
    "particle_filter": ParticleFilter(n=8, verifier="scripted", max_steps=6),
    "particle Gibbs": ParticleFilter(n=4, iterations=3, verifier="scripted", max_steps=6),
}
each_search = pytest.mark.parametrize("search", SEARCHES.values(), ids=SEARCHES)
WORDS = ["one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"]
LIMIT = 60


@dataclass(frozen=True)
class Search:
    """One search: what it found, and what it cost."""

    ranking: list
    steps: list
    """The retained and pruned steps, in the order of their numbers."""
    stopped: str
    spent: Usage
    decoded: int
    seconds: float
    left: int | None
    session: object


def write_step(prompt, sampling):
    """Write a step by seed and prefix alone: mostly short, sometimes long, sometimes the last one, sometimes none."""
    rng = random.Random(f"{sampling.seed}/{prompt.prefix}")
    if rng.random() < 0.04 and prompt.prefix:
        return SampleFailed("gone")
    text = " ".join(rng.choices(WORDS, k=rng.choice([0, 1, 2, 3, 4, 15])))
    return text + rng.choice([*[STEP_SEPARATOR] * 4, f" \\boxed{{{rng.randint(1, 3)}}}"])


def score_text(text):
    return random.Random(text).choice([0.0, 0.1, 0.3, 0.5, 0.7, 0.9])


def run_search(strategy, seed, *, speculate, is_pure=True, tokens=None, pace=1.0, under_load=False, seconds=None):
    engine = ScriptedEngine(write_step, pace=pace)
    session = build_session(engine, sampling=Sampling(max_tokens=LIMIT, temperature=0.8, seed=seed))
    session.verifiers = {"scripted": ScriptedVerifier(score_text, is_pure=is_pure)}
    session.budget = Budget(tokens, under_load=lambda: under_load)
    strategy = strategy.model_copy(update={"speculate": speculate})

    async def main():
        session.budget.deadline = seconds
        finished = await execute(strategy, strategy.instruct(QUESTION), session)
        assert engine.running == 0, "a decode outlived its search"
        return finished, asyncio.get_running_loop().time()

    finished, took = virtual_time.run(main())
    outcome = finished.outcome
    ranked = [outcome, *outcome.alternatives]
    made = sorted((event.completion for event in events(session, Sampled)), key=lambda each: each.index)
    return Search(
        [(o.completion.text, o.completion.finish, o.score, o.answer and o.answer.raw) for o in ranked],
        [(each.prompt.prefix, each.text, each.finish) for each in made],
        finished.stopped,
        usage(session.trace),
        engine.decoded,
        took,
        session.budget.tokens_left,
        session,
    )


def both(*args, **options):
    """Run a search without and with early steps."""
    return [run_search(*args, speculate=speculate, **options) for speculate in (False, True)]


def paces(call):
    """Let any decode be a straggler, whatever its length."""
    return (call * 7919 % 13 + 1) / 4


@each_search
@pytest.mark.parametrize("pace", [1.0, paces], ids=["even", "uneven"])
@pytest.mark.parametrize("is_pure", [True, False], ids=["previewed", "unknown"])
def test_search_finds_the_same_by_the_same_steps(search, pace, is_pure):
    for seed in range(10):
        without, ahead = both(search, seed, pace=pace, is_pure=is_pure)
        assert ahead.ranking == without.ranking
        assert ahead.steps == without.steps
        assert ahead.stopped == without.stopped


@each_search
def test_search_waits_less(search):
    pairs = [both(search, seed) for seed in range(10)]
    assert all(ahead.seconds <= without.seconds for without, ahead in pairs)
    assert sum(ahead.seconds for _, ahead in pairs) < 0.95 * sum(without.seconds for without, _ in pairs)
    assert sum(ahead.spent.depth for _, ahead in pairs) < sum(without.spent.depth for without, _ in pairs)


@each_search
def test_bill_has_every_token_of_dropped_steps(search):
    dropped = 0
    for seed in range(10):
        without, ahead = both(search, seed)
        assert ahead.spent.completion == ahead.decoded
        assert ahead.spent.completion - ahead.spent.aborted == without.spent.completion and not without.spent.aborted
        assert all(event.role == "step" for event in events(ahead.session, Aborted))
        dropped += ahead.spent.aborted
    assert dropped, "nothing was dropped: the test shows nothing"


@each_search
def test_token_budget_covers_dropped_steps_and_changes_no_result(search):
    """From a budget that ends the search to one that leaves something to spare."""
    cost, spare, used = search.cost(LIMIT), search.spare_cost(LIMIT), 0
    for tokens in (40, 150, 300, cost, cost + 30, cost + 90, cost + spare):
        for seed in range(8):
            without = run_search(search, seed, speculate=False, tokens=min(tokens, cost))
            ahead = run_search(search, seed, speculate=True, tokens=tokens)
            assert (ahead.ranking, ahead.steps, ahead.stopped) == (without.ranking, without.steps, without.stopped)
            assert ahead.spent.completion == ahead.decoded == tokens - ahead.left <= tokens
            used += ahead.spent.aborted
            assert tokens > cost or not ahead.spent.aborted
    assert used, "nothing was spent ahead: the test shows nothing"


def test_token_budget_is_untouched_where_an_answer_has_no_limit():
    """Nobody can tell what the search without early steps needs."""
    for speculate in (False, True):
        engine = ScriptedEngine(write_step, pace=1.0)
        session = build_session(engine, sampling=Sampling(seed=1), tokens=3000)
        session.verifiers = {"scripted": ScriptedVerifier(score_text, is_pure=True)}
        search = BeamSearch(n=8, width=2, verifier="scripted", max_steps=6, speculate=speculate)
        virtual_time.run(execute(search, QUESTION, session))
        assert session.budget.tokens_left == 3000 - engine.decoded and not usage(session.trace).aborted


@each_search
def test_at_most_as_many_decodes_run_as_without(search):
    for seed in range(25):
        without, ahead = both(search, seed, pace=paces)
        assert ahead.session.engine.peak_running <= without.session.engine.peak_running


@each_search
def test_no_step_starts_early_while_other_requests_wait(search):
    without, ahead = both(search, 3, under_load=True)
    assert ahead.seconds == without.seconds and not ahead.spent.aborted
    assert ahead.session.engine.calls == without.session.engine.calls


def test_no_step_starts_early_with_lookahead():
    """Rollouts need the slots."""
    search = BeamSearch(n=4, width=2, verifier="scripted", max_steps=5, lookahead=1)
    without, ahead = both(search, 2)
    assert ahead.session.engine.calls == without.session.engine.calls


@each_search
def test_deadline_ends_early_steps_too(search):
    for seconds in (3, 7, 12.5, 20):
        ahead = run_search(search, 1, speculate=True, seconds=seconds)
        assert ahead.stopped == "deadline" and ahead.seconds == seconds
        assert ahead.spent.completion == ahead.decoded


def test_search_without_a_seed_uses_each_early_step_once():
    """All samplings are equal: an early step belongs to its branch, not to whoever asks first."""
    rng = random.Random(5)

    def write_anything(prompt, sampling):
        return write_step(prompt, replace(sampling, seed=rng.random()))

    for search in SEARCHES.values():
        engine = ScriptedEngine(write_anything, pace=1.0)
        session = build_session(engine, sampling=Sampling(max_tokens=LIMIT, temperature=0.8))
        session.verifiers = {"scripted": ScriptedVerifier(score_text, is_pure=True)}
        speculating = search.model_copy(update={"speculate": True})
        finished = virtual_time.run(execute(speculating, QUESTION, session))
        assert usage(session.trace).completion == engine.decoded
        assert len({event.completion.index for event in events(session, Sampled, Aborted)}) == engine.finished + (
            engine.cancelled
        )
        assert finished.stopped == "completed"
