"""A replay run: prepares a bank, and replays all arms over it."""

import argparse
import asyncio
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import dataclass

from cogitate.server.evaluation.arms import Arm
from cogitate.server.evaluation.baselines import (
    GREEDY_ARM,
    SAMPLE_ARM,
    bank_results,
    count_repeats,
    oracle_name,
    unique_arms,
)
from cogitate.server.evaluation.comparison import Comparison, resolve_baseline
from cogitate.server.evaluation.errors import CannotEvaluate
from cogitate.server.evaluation.fallback_server import FallbackFailed, FallbackServer
from cogitate.server.evaluation.learn_prior import read_prior
from cogitate.server.evaluation.local_server import ServerAddress
from cogitate.server.evaluation.progress import Progress, note
from cogitate.server.evaluation.provenance import replay_digest
from cogitate.server.evaluation.question import Question
from cogitate.server.evaluation.replay import replay
from cogitate.server.evaluation.replay_engine import NotInBank
from cogitate.server.evaluation.results import Result, Results
from cogitate.server.evaluation.sample_bank import BadBank, Bank, balance, check_questions, check_recipe
from cogitate.strategies.core.concurrency import for_each
from cogitate.strategies.core.execute import NoOutcome
from cogitate.strategies.core.ports import SampleFailed
from cogitate.strategies.core.vote_prior import VotePrior


class ReplayFailed(CannotEvaluate):
    """A strategy found no answer to a question."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplayRun:
    """The input of a replay run: a balanced bank, and the questions that it has samples of."""

    bank: Bank
    n: int
    """Samples of each question."""
    questions: Sequence[Question]
    arms: Sequence[Arm]
    comparison: Comparison
    prior: VotePrior | None = None
    """What votes stop by; None: the uniform prior."""


def prepare_replay(args: argparse.Namespace, questions: Sequence[Question], arms: Sequence[Arm]) -> ReplayRun:
    """Reads and balances the bank, and notes what is left out. Raises BadBank, RecipeMismatch, UnknownRow."""
    full = Bank.read(args.bank)
    if not args.fill:
        check_recipe(args, full.recipe)
    check_questions(full, questions)
    n, bank = balance(full, questions)
    sampled = [question for question in questions if question.id in bank.samples]
    if not sampled:
        raise BadBank(f"{args.bank} has no samples of this task's questions: draw some with --fill N")
    if missing := len(questions) - len(sampled):
        note(f"{missing} of {len(questions)} questions left out: the bank has fewer than {n} samples of them")
    without_greedy = sum(not bank.greedy(question.id) for question in sampled)
    if 0 < without_greedy < len(sampled):
        note(f"greedy is left out: the bank has no greedy sample of {without_greedy} questions")
    rows = count_repeats(arms, n, repeats=args.repeats, greedy=not without_greedy)
    prior = read_prior(args, bank.recipe)
    digests = {q.id: replay_digest(bank.recipe, bank.samples_of(q.id), q, prior) for q in sampled}
    comparison = Comparison(rows=rows, digests=digests, baseline=resolve_baseline(args.baseline, rows))
    return ReplayRun(bank=bank, n=n, questions=sampled, arms=unique_arms(arms, n), comparison=comparison, prior=prior)


async def run_replay(run: ReplayRun, results: Results, server: ServerAddress | None, in_flight: int) -> None:
    """Computes the results that are missing, and adds them to `results`.

    With a server, `in_flight` replays run at a time, so that they use it fully; without one, a single replay does.
    Raises ReplayFailed.
    """
    digests = run.comparison.digests
    for question in run.questions:
        results.add(digests[question.id], *_missing_baselines(run, question, results))
    jobs = [
        (arm, question, key[2])
        for arm in run.arms
        for question in run.questions
        for key in run.comparison.keys_of(arm.name, question.id)
        if key not in results
    ]
    fallback = FallbackServer(server.url, run.bank.recipe, server.model, server.key) if server else nullcontext()
    concurrency = in_flight if server else 1
    with (
        Progress("replays", len(jobs)) as progress,
        fallback as generator,
        ThreadPoolExecutor(concurrency) as pool,
    ):

        async def measure(job: tuple[Arm, Question, int]) -> None:
            arm, question, repeat = job
            loop = asyncio.get_running_loop()
            try:
                result = await loop.run_in_executor(pool, replay, arm, question, run.bank, repeat, generator, run.prior)
            except (NotInBank, FallbackFailed, SampleFailed, NoOutcome) as error:
                raise ReplayFailed(f"{arm.name}, {question.id}: {str(error) or 'no answer'}") from None
            results.add(digests[question.id], result)
            progress.advance()

        try:
            await for_each(jobs, concurrency, measure)
        finally:
            await asyncio.to_thread(pool.shutdown, cancel_futures=True)


def _missing_baselines(run: ReplayRun, question: Question, results: Results) -> list[Result]:
    """Returns the baselines' results, which follow from the samples themselves; [] if all of them are known."""
    rows = [row for row in run.comparison.rows if row in (GREEDY_ARM, SAMPLE_ARM, oracle_name(run.n))]
    if all(key in results for row in rows for key in run.comparison.keys_of(row, question.id)):
        return []
    return [result for result in bank_results(question, run.bank, run.n) if result.arm in rows]
