"""A replay run: prepares a bank, and replays all arms over it."""

import argparse
import asyncio
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path

from cogitate.server.evaluation.arms import Arm, BadArm
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
from cogitate.server.evaluation.provenance import digest, replay_digest
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
    others: Mapping[str, Bank]
    """The banks of further models by name."""
    n: int
    """Samples of each question."""
    questions: Sequence[Question]
    arms: Sequence[Arm]
    comparison: Comparison
    prior: VotePrior | None = None
    """What votes stop by; None: the uniform prior."""


def prepare_replay(args: argparse.Namespace, questions: Sequence[Question], arms: Sequence[Arm]) -> ReplayRun:
    """Read and balances the bank, and notes what is left out. Raises BadBank, RecipeMismatch, UnknownRow."""
    full = Bank.read(args.bank)
    others = read_other_banks(getattr(args, "more_banks", ()), full.recipe.model)
    check_names(arms, (full.recipe.model, *others))
    if not args.fill:
        check_recipe(args, full.recipe)
    check_questions(full, questions)
    n, bank = balance(full, questions)
    shared = [bank.samples, *(other.samples for other in others.values())]
    sampled = [question for question in questions if all(question.id in samples for samples in shared)]
    if not sampled:
        raise BadBank(f"{args.bank} has no samples of this task's questions: draw some with --fill N")
    if missing := len(questions) - len(sampled):
        note(f"{missing} of {len(questions)} questions left out: the bank has fewer than {n} samples of them")
    without_greedy = sum(not bank.greedy(question.id) for question in sampled)
    if 0 < without_greedy < len(sampled):
        note(f"greedy is left out: the bank has no greedy sample of {without_greedy} questions")
    rows = count_repeats(arms, n, repeats=args.repeats, greedy=not without_greedy)
    prior = read_prior(args, bank.recipe)
    digests = {q.id: digest_samples(q, (bank, *others.values()), prior) for q in sampled}
    comparison = Comparison(rows=rows, digests=digests, baseline=resolve_baseline(args.baseline, rows))
    arms = unique_arms(arms, n)
    return ReplayRun(bank=bank, others=others, n=n, questions=sampled, arms=arms, comparison=comparison, prior=prior)


def read_other_banks(paths: Sequence[Path], first: str) -> dict[str, Bank]:
    """Read the banks of further models, by the models' names; `first` is that of the first bank. Raises BadBank."""
    banks = dict[str, Bank]()
    for path in paths:
        bank = Bank.read(path)
        if bank.recipe.model in (first, *banks):
            raise BadBank(f"{path} has samples of {bank.recipe.model}, as another --bank has: give one for each model")
        banks[bank.recipe.model] = bank
    return banks


def check_names(arms: Sequence[Arm], names: Sequence[str]) -> None:
    """Raises BadArm for a strategy that names a model without a bank."""
    for arm in arms:
        for name in arm.strategy.other_models.get("models", ()):
            if name not in names:
                raise BadArm(f"{arm.name}: no --bank has samples of {name}; they have those of {', '.join(names)}")


def digest_samples(question: Question, banks: Sequence[Bank], prior: VotePrior | None = None) -> str:
    """Return the digest of results from these banks' samples of the question."""
    own, *more = (replay_digest(bank.recipe, bank.samples_of(question.id), question, prior) for bank in banks)
    return digest(own, more) if more else own


async def run_replay(run: ReplayRun, results: Results, server: ServerAddress | None, in_flight: int) -> None:
    """Compute the results that are missing, and add them to `results`.

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
                result = await loop.run_in_executor(
                    pool, replay, arm, question, run.bank, repeat, generator, run.prior, run.others
                )
            except (NotInBank, FallbackFailed, SampleFailed, NoOutcome) as error:
                raise ReplayFailed(f"{arm.name}, {question.id}: {str(error) or 'no answer'}") from None
            results.add(digests[question.id], result)
            progress.advance()

        try:
            await for_each(jobs, concurrency, measure)
        finally:
            await asyncio.to_thread(pool.shutdown, cancel_futures=True)


def _missing_baselines(run: ReplayRun, question: Question, results: Results) -> list[Result]:
    """Return the baselines' results, which follow from the samples themselves; [] if all of them are known."""
    rows = [row for row in run.comparison.rows if row in (GREEDY_ARM, SAMPLE_ARM, oracle_name(run.n))]
    if all(key in results for row in rows for key in run.comparison.keys_of(row, question.id)):
        return []
    return [result for result in bank_results(question, run.bank, run.n) if result.arm in rows]
