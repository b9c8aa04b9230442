"""Strategies over a bank: what can be replayed is replayed, many at once where a server is asked beside."""

import argparse
import asyncio
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import dataclass

from cogitate.server.evaluation import provenance
from cogitate.server.evaluation.arms import Arm
from cogitate.server.evaluation.banked import beside
from cogitate.server.evaluation.baselines import GREEDY, ONE, compared, oracle, rows
from cogitate.server.evaluation.comparison import Comparison, baseline
from cogitate.server.evaluation.errors import CannotEvaluate
from cogitate.server.evaluation.evening import evened, refuse_others
from cogitate.server.evaluation.fallback_server import Standby, Unanswered
from cogitate.server.evaluation.lanes import each
from cogitate.server.evaluation.progress import Progress, note
from cogitate.server.evaluation.question import Question
from cogitate.server.evaluation.reach import Server
from cogitate.server.evaluation.recipes import refuse_contradictions
from cogitate.server.evaluation.replay import replayed
from cogitate.server.evaluation.replay_engine import NotInBank
from cogitate.server.evaluation.results import Result, Results
from cogitate.server.evaluation.sample_bank import BadBank, Bank
from cogitate.strategies.core.execute import NoAnswer
from cogitate.strategies.core.ports import SampleFailed


class Unreplayed(CannotEvaluate):
    """Which strategy came to no end on which question, and why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ready:
    """What is replayed: each question's samples are as many, and all there."""

    bank: Bank
    n: int
    questions: Sequence[Question]
    arms: Sequence[Arm]
    comparison: Comparison


def ready(given: argparse.Namespace, questions: Sequence[Question], arms: Sequence[Arm]) -> Ready:
    """Raises BadBank, Contradiction, NoSuchRow."""
    whole = Bank.read(given.bank)
    if not given.fill:
        refuse_contradictions(given, whole.recipe)
    refuse_others(whole, questions)
    n, bank = evened(whole, questions)
    kept = [question for question in questions if question.id in bank.samples]
    if not kept:
        raise BadBank(f"{given.bank} has no samples of this task's questions: --fill it")
    if out := len(questions) - len(kept):
        note(f"{out} of {len(questions)} questions left out: the bank has fewer than {n} samples of them")
    without = sum(not bank.greedy(question.id) for question in kept)
    if 0 < without < len(kept):
        note(f"greedy is left out: the bank has no greedy sample of {without} questions")
    shown = rows(arms, n, repeats=given.repeats, greedy=not without)
    made = {q.id: provenance.replayed(bank.recipe, bank.held(q.id), q) for q in kept}
    comparison = Comparison(rows=shown, made=made, baseline=baseline(given.baseline, shown))
    return Ready(bank=bank, n=n, questions=kept, arms=compared(arms, n), comparison=comparison)


async def replay(work: Ready, to: Results, server: Server | None, in_flight: int) -> None:
    """Raises Unreplayed."""
    made = work.comparison.made
    for question in work.questions:
        to.put(made[question.id], *alone(work, question, to))
    wanted = [
        (arm, question, key[2])
        for arm in work.arms
        for question in work.questions
        for key in work.comparison.of(arm.name, question.id)
        if key not in to
    ]
    progress = Progress("replays", sys.stderr, len(wanted))
    standby = Standby(server.url, work.bank.recipe, server.model, server.key) if server else nullcontext()
    lanes = in_flight if server else 1
    with standby as beyond, ThreadPoolExecutor(lanes) as pool:

        async def one(job: tuple[Arm, Question, int]) -> None:
            arm, question, repeat = job
            found = asyncio.get_running_loop().run_in_executor(
                pool, replayed, arm.name, arm.strategy, question, work.bank, repeat, beyond
            )
            try:
                to.put(made[question.id], await found)
            except (NotInBank, Unanswered, SampleFailed, NoAnswer) as error:
                raise Unreplayed(f"{arm.name}, {question.id}: {str(error) or 'no answer'}") from None
            progress.advance()

        try:
            await each(wanted, lanes, one)
        finally:
            await asyncio.to_thread(pool.shutdown, cancel_futures=True)


def alone(work: Ready, question: Question, known: Results) -> list[Result]:
    """What the bank tells by itself, where it is not known yet."""
    needed = [row for row in work.comparison.rows if row in (GREEDY, ONE, oracle(work.n))]
    if all(key in known for row in needed for key in work.comparison.of(row, question.id)):
        return []
    return [result for result in beside(question, work.bank, work.n) if result.arm in needed]
