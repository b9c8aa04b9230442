"""`cogitate eval`: from flags to results, a table and plots."""

import argparse
import asyncio
import dataclasses
import sys
from collections.abc import Sequence
from contextlib import closing

from cogitate.server.evaluation import provenance
from cogitate.server.evaluation.arms import Arm, arm
from cogitate.server.evaluation.baselines import rows
from cogitate.server.evaluation.client import Client
from cogitate.server.evaluation.comparison import Comparison, baseline
from cogitate.server.evaluation.errors import CannotEvaluate
from cogitate.server.evaluation.evening import evened, refuse_others
from cogitate.server.evaluation.few_shot import shots
from cogitate.server.evaluation.fill_bank import fill
from cogitate.server.evaluation.flags import refuse_flags
from cogitate.server.evaluation.live import Work, measure
from cogitate.server.evaluation.live_request import Asking
from cogitate.server.evaluation.progress import Progress, note
from cogitate.server.evaluation.question import Question
from cogitate.server.evaluation.reach import Server, reached
from cogitate.server.evaluation.recipes import MAX_TOKENS, recipe
from cogitate.server.evaluation.refusing import refuse_arms
from cogitate.server.evaluation.replay_run import ready, replay
from cogitate.server.evaluation.results import Results
from cogitate.server.evaluation.sample_bank import BankFile
from cogitate.server.evaluation.tasks import load
from cogitate.server.evaluation.telling import tell

__all__ = ["CannotEvaluate", "evaluate"]
SAMPLES = 8
"""Beside live strategies, where none of them says how many it takes."""


def evaluate(given: argparse.Namespace) -> None:
    """Raises CannotEvaluate."""
    refuse_flags(given)
    arms = [arm(written) for written in given.strategies]
    if given.bank:
        refuse_arms(arms)
    examples = shots(given.shots)
    loaded = load(given.task, given.limit, seed=given.seed, code_exec=given.code_exec)
    questions = [dataclasses.replace(question, shots=examples) for question in loaded]
    results = Results(given.out and given.out.with_name(f"{given.out.name}-results.jsonl"))
    comparison = asyncio.run((over_bank if given.bank else live)(given, questions, arms, results))
    if comparison:
        tell(given, comparison, results)


async def over_bank(
    given: argparse.Namespace, questions: Sequence[Question], arms: Sequence[Arm], results: Results
) -> Comparison | None:
    """None where the bank is only filled."""
    work = None if given.fill else ready(given, questions, arms)
    async with reached(given) as server:
        if given.fill and server:
            await filled(given, questions, arms, server)
            work = ready(given, questions, arms) if arms else None
        if work is None:
            return None
        tell_of_others(work.comparison, results)
        await replay(work, results, server, given.in_flight)
        return work.comparison


async def filled(given: argparse.Namespace, questions: Sequence[Question], arms: Sequence[Arm], server: Server) -> None:
    async with Client(server.url, server.key) as client:
        model = server.model or await client.model()
        with closing(BankFile(given.bank, recipe(given, model, questions))) as file:
            refuse_others(file.bank, questions)
            n, _ = evened(file.bank, questions)
            baseline(given.baseline, rows(arms, given.fill) | rows(arms, max(n, given.fill)))
            progress = Progress("samples", sys.stderr)
            too_long = await fill(file, questions, given.fill, client, model, given.in_flight, progress)
    if too_long:
        note(f"{len(too_long)} questions have no samples: the model's context does not hold them")


async def live(
    given: argparse.Namespace, questions: Sequence[Question], arms: Sequence[Arm], results: Results
) -> Comparison:
    n = samples(arms) if given.beside is None else given.beside
    shown = rows(arms, n)
    base = baseline(given.baseline, shown)
    async with reached(given) as server:
        assert server
        async with Client(server.url, server.key) as client:
            asking = Asking(
                model=server.model or await client.model(),
                max_tokens=given.max_tokens or MAX_TOKENS,
                instruction=given.instruction,
                temperature=given.temperature,
                top_p=given.top_p,
                seed=given.seed,
            )
            made = {question.id: provenance.live(asking, question) for question in questions}
            comparison = Comparison(rows=shown, made=made, baseline=base)
            tell_of_others(comparison, results)
            work = Work(arms=arms, n=n, questions=questions, asking=asking, comparison=comparison)
            await measure(work, results, client, given.in_flight)
    return comparison


def samples(arms: Sequence[Arm]) -> int:
    """As many as the strategy takes that takes most."""
    return max((arm.strategy.model_dump().get("n", 0) for arm in arms), default=0) or SAMPLES


def tell_of_others(comparison: Comparison, results: Results) -> None:
    if others := results.made_otherwise(comparison.wanted()):
        note(f"{others} results in {results.path} were made otherwise: they are left aside, and measured anew")
