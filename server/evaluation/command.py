"""`cogitate eval`: from flags to results, a table and plots."""

import argparse
import asyncio
import dataclasses
import sys
from collections.abc import AsyncIterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import AbstractContextManager, asynccontextmanager, nullcontext
from pathlib import Path

from server.evaluation.arms import Arm, BadArm, arm
from server.evaluation.bank import BadBank, Bank, BankFile, Recipe
from server.evaluation.baselines import ONE, beside
from server.evaluation.client import Client
from server.evaluation.generate import fill
from server.evaluation.live import GREEDY, Asking, measured
from server.evaluation.plots import NoPlots, draw
from server.evaluation.progress import Progress
from server.evaluation.question import BadTask, Question
from server.evaluation.replay import NotInBank, replayed
from server.evaluation.report import easier, markdown, rows
from server.evaluation.results import BadResults, Result, Results
from server.evaluation.served import NotServed, served
from server.evaluation.shots import BadShots, shots
from server.evaluation.standby import Standby, Unanswered
from server.evaluation.tasks import load
from server.evaluation.told import Refused
from strategies.prompts import BOXED


class CannotEvaluate(Exception):
    """Why, in one line."""


def evaluate(given: argparse.Namespace) -> None:
    """Raises CannotEvaluate."""
    try:
        examples = shots(given.shots)
        loaded = load(given.task, given.limit, seed=given.seed, code_exec=given.code_exec)
        questions = [dataclasses.replace(question, shots=examples) for question in loaded]
        arms = [arm(written) for written in given.strategies]
        results = Results(given.out and given.out.with_name(f"{given.out.name}-results.jsonl"))
        if given.fill or not given.bank:
            asyncio.run(asked(given, questions, arms, results))
        if given.bank and (arms or not given.fill):
            replay(given, questions, arms, results)
    except (BadTask, BadShots, BadArm, BadBank, BadResults, NotInBank, NotServed, Refused, Unanswered) as error:
        raise CannotEvaluate(str(error)) from None
    if results.all:
        tell(given, list(results.all.values()))


async def asked(given: argparse.Namespace, questions: Sequence[Question], arms: Sequence[Arm], to: Results) -> None:
    """Whatever needs the server: samples for the bank, or the strategies themselves."""
    async with reached(given) as url, Client(url, api_key(given)) as client:
        model = (given.server and given.model) or await client.model()
        if given.fill:
            bank = BankFile(given.bank, recipe(given, model, instruction(given, questions)))
            await fill(bank, questions, given.fill, client, model, given.in_flight, Progress("samples", sys.stderr))
            bank.close()
        else:
            asking = Asking(
                model=model,
                max_tokens=given.max_tokens,
                instruction=instruction(given, questions),
                temperature=given.temperature,
                top_p=given.top_p,
                seed=given.seed,
            )
            progress = Progress("answers", sys.stderr)
            await measured(arms, questions, client, asking, to, given.in_flight, progress)


@asynccontextmanager
async def reached(given: argparse.Namespace) -> AsyncIterator[str]:
    """The URL of the server to ask, or of one that is started for this run."""
    if given.server:
        yield given.server
    elif given.model is not None:
        async with served(given.model, sys.stderr) as url:
            yield url
    else:
        raise BadTask(
            "--server says which server to ask, --model what to serve; --bank FILE alone replays what is there"
        )


def instruction(given: argparse.Namespace, questions: Sequence[Question]) -> str:
    """What is put behind a question. One that wants a program says itself what it wants."""
    if given.instruction is not None:
        return str(given.instruction)
    return "" if any(question.program for question in questions) else BOXED


def recipe(given: argparse.Namespace, model: str, instruction: str) -> Recipe:
    return Recipe(
        task=Path(given.task).stem,
        model=model,
        instruction=instruction,
        temperature=0.7 if given.temperature is None else given.temperature,
        top_p=1.0 if given.top_p is None else given.top_p,
        max_tokens=given.max_tokens,
        seed=given.seed,
        shots=[list(shot) for shot in shots(given.shots)],
    )


def replay(given: argparse.Namespace, questions: Sequence[Question], arms: Sequence[Arm], to: Results) -> None:
    """Over the questions whose samples are all there."""
    bank = Bank.read(given.bank)
    most = max((len(bank.drawn(question.id)) for question in questions), default=0)
    known = set(bank.full([question.id for question in questions], most))
    ready = [question for question in questions if question.id in known]
    if not ready:
        raise BadBank(f"{given.bank} has no question of this task with all its samples: --fill it")
    majority = arm(f"self_consistency:n={most},stop_rule=none")
    for result in beside(ready, bank, most):
        keep(to, result)
    wanted = [
        (one, question, repeat)
        for one in (majority, *(one for one in arms if one != majority))
        for question in ready
        for repeat in range(given.repeats)
        if (one.name, question.id, repeat) not in to
    ]
    progress = Progress("replays", sys.stderr)
    progress.expect(len(wanted))
    with standby(given, bank.recipe) as beyond, ThreadPoolExecutor(given.in_flight if beyond else 1) as lanes:
        replays = [
            lanes.submit(replayed, one.name, one.strategy, question, bank, repeat, beyond)
            for one, question, repeat in wanted
        ]
        try:
            for replay in as_completed(replays):
                to.put(replay.result())
                progress.advance()
        finally:
            lanes.shutdown(cancel_futures=True)


def standby(given: argparse.Namespace, recipe: Recipe) -> AbstractContextManager[Standby | None]:
    """The server that is asked for what the bank does not hold."""
    return Standby(given.server, recipe, given.model, api_key(given)) if given.server else nullcontext()


def api_key(given: argparse.Namespace) -> str | None:
    return given.api_key_file.read_text().strip() if given.api_key_file else None


def keep(results: Results, result: Result) -> None:
    if (result.arm, result.question, result.repeat) not in results:
        results.put(result)


def tell(given: argparse.Namespace, results: Sequence[Result]) -> None:
    arms = {result.arm for result in results}
    baseline = given.baseline or next((arm for arm in (GREEDY, ONE) if arm in arms), "")
    table = rows(results, baseline)
    said = f"{given.title or given.task}: {table[0].questions} questions\n\n{markdown(table)}\n"
    if ONE in arms:
        easy = rows(easier(results, ONE), baseline)
        said += f"\nThe easier half, by the share of samples that are right: {easy[0].questions} questions\n\n"
        said += f"{markdown(easy)}\n"
    sys.stdout.write(said)
    if not given.out:
        return
    given.out.parent.mkdir(parents=True, exist_ok=True)
    given.out.with_name(f"{given.out.name}.md").write_text(said)
    try:
        draw(table, given.out, given.title or given.task)
    except NoPlots as reason:
        sys.stderr.write(f"{reason}\n")
