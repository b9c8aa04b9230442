"""`cogitate eval`: runs an evaluation from its flags to a table, a results file and plots."""

import argparse
import asyncio
import dataclasses
import sys
from collections.abc import Sequence
from contextlib import closing
from importlib.util import find_spec

from cogitate.server.evaluation.arms import Arm, parse_arm
from cogitate.server.evaluation.baselines import SAMPLE_ARM, count_repeats
from cogitate.server.evaluation.client import Client
from cogitate.server.evaluation.comparison import Comparison, resolve_baseline
from cogitate.server.evaluation.errors import CannotEvaluate
from cogitate.server.evaluation.few_shot import read_shots
from cogitate.server.evaluation.fill_bank import fill_bank
from cogitate.server.evaluation.flags import check_flags
from cogitate.server.evaluation.learn_prior import write_prior
from cogitate.server.evaluation.live import LiveRun, run_live
from cogitate.server.evaluation.live_request import RequestSettings
from cogitate.server.evaluation.local_server import ServerAddress, open_server
from cogitate.server.evaluation.plots import NoPlots, draw_plots
from cogitate.server.evaluation.progress import note
from cogitate.server.evaluation.provenance import live_digest
from cogitate.server.evaluation.question import Question
from cogitate.server.evaluation.replay import check_arms
from cogitate.server.evaluation.replay_run import prepare_replay, run_replay
from cogitate.server.evaluation.report import build_rows, easier_half, to_markdown
from cogitate.server.evaluation.results import Results
from cogitate.server.evaluation.sample_bank import (
    DEFAULT_MAX_TOKENS,
    BankFile,
    balance,
    build_recipe,
    check_questions,
)
from cogitate.server.evaluation.tasks import load_task

__all__ = ["CannotEvaluate", "evaluate"]
PACKAGES = ("scipy", "tqdm")
"""Of the extra `eval`; the other packages of it are needed for plots and some tasks only."""
DEFAULT_SAMPLES = 8
"""Samples of each question for a live run's baselines, where no strategy has an option `n`."""


class MissingPackages(CannotEvaluate):
    """The extra `eval` is not installed."""


def evaluate(args: argparse.Namespace) -> None:
    """Run `cogitate eval`. Blocks. Raises CannotEvaluate."""
    check_packages()
    check_flags(args)
    arms = [parse_arm(text) for text in args.strategies]
    if args.bank:
        check_arms(arms)
    shots = read_shots(args.shots)
    loaded = load_task(args.task, args.limit, seed=args.seed, code_exec=args.code_exec)
    questions = [dataclasses.replace(question, shots=shots) for question in loaded]
    results = Results(args.out and args.out.with_name(f"{args.out.name}-results.jsonl"))
    comparison = asyncio.run((_evaluate_bank if args.bank else _evaluate_live)(args, questions, arms, results))
    if comparison:
        _report(args, comparison, results)


def check_packages() -> None:
    """Raises MissingPackages before a run is started that could not be reported."""
    if missing := [name for name in PACKAGES if find_spec(name) is None]:
        raise MissingPackages(f"`cogitate eval` needs {' and '.join(missing)}: pip install {' '.join(missing)}")


async def _evaluate_bank(
    args: argparse.Namespace, questions: Sequence[Question], arms: Sequence[Arm], results: Results
) -> Comparison | None:
    """Return None where the bank is filled and no strategy is named."""
    run = None if args.fill else prepare_replay(args, questions, arms)
    async with open_server(args) as server:
        if args.fill and server:
            await _fill(args, questions, arms, server)
            run = prepare_replay(args, questions, arms) if arms else None
        if run is None:
            return None
        if args.prior_out:
            write_prior(args, run.questions, run.bank)
        _note_stale(run.comparison, results)
        await run_replay(run, results, server, args.in_flight)
        return run.comparison


async def _fill(
    args: argparse.Namespace, questions: Sequence[Question], arms: Sequence[Arm], server: ServerAddress
) -> None:
    async with Client(server.url, server.key) as client:
        model = server.model or await client.model()
        with closing(BankFile(args.bank, build_recipe(args, model, questions))) as file:
            check_questions(file.bank, questions)
            n, _ = balance(file.bank, questions)
            rows = count_repeats(arms, args.fill) | count_repeats(arms, max(n, args.fill))
            resolve_baseline(args.baseline, rows)  # a wrong --baseline ends the run before samples are drawn
            too_long = await fill_bank(file, questions, args.fill, client, model, args.in_flight)
    if too_long:
        note(f"{len(too_long)} questions have no samples: they do not fit into the model's context")


async def _evaluate_live(
    args: argparse.Namespace, questions: Sequence[Question], arms: Sequence[Arm], results: Results
) -> Comparison:
    n = _count_samples(arms) if args.beside is None else args.beside
    rows = count_repeats(arms, n)
    baseline = resolve_baseline(args.baseline, rows)
    async with open_server(args) as server:
        assert server
        async with Client(server.url, server.key) as client:
            settings = RequestSettings(
                model=server.model or await client.model(),
                max_tokens=args.max_tokens or DEFAULT_MAX_TOKENS,
                instruction=args.instruction,
                temperature=args.temperature,
                top_p=args.top_p,
                seed=args.seed,
            )
            digests = {question.id: live_digest(settings, question) for question in questions}
            comparison = Comparison(rows=rows, digests=digests, baseline=baseline)
            _note_stale(comparison, results)
            run = LiveRun(arms=arms, n=n, questions=questions, settings=settings, comparison=comparison)
            await run_live(run, results, client, args.in_flight)
    return comparison


def _count_samples(arms: Sequence[Arm]) -> int:
    """The largest option `n` of the strategies."""
    return max((arm.strategy.model_dump().get("n", 0) for arm in arms), default=0) or DEFAULT_SAMPLES


def _note_stale(comparison: Comparison, results: Results) -> None:
    if count := results.count_stale(comparison.result_keys()):
        note(f"{count} results in {results.path} are of another model, bank or option: they are measured again")


def _report(args: argparse.Namespace, comparison: Comparison, results: Results) -> None:
    """Print the table, and with --out writes it and the plots."""
    selection = results.select(comparison.result_keys())
    rows = build_rows(selection, comparison.baseline)
    title = args.title or args.task
    text = f"{title}: {rows[0].questions} questions\n\n{to_markdown(rows)}\n"
    if SAMPLE_ARM in comparison.rows:
        easy = build_rows(easier_half(selection, SAMPLE_ARM), comparison.baseline)
        text += f"\nThe easier half, by the share of samples that are right: {easy[0].questions} questions\n\n"
        text += f"{to_markdown(easy)}\n"
    sys.stdout.write(text)
    if not args.out:
        return
    args.out.with_name(f"{args.out.name}.md").write_text(text)
    try:
        draw_plots(rows, args.out, title)
    except NoPlots as reason:
        note(str(reason))
