"""A strategy replayed over a bank: its own code, unchanged, on samples that are already there.

The bank plays the engine: the k-th decode is the k-th sample of an order that is shuffled anew for each repeat, and
takes as many seconds of virtual time as it has tokens. So a race is won as it would be, what is aborted costs what it
had made, and the time that passes is the sequential depth. What no bank holds, such as a verdict, is asked of a server
that stands by, where there is one, and takes its tokens too. Deviation from a served request: answers are grouped by
their canonical form alone, no proof of equality is sought.
"""

import asyncio
import random
from collections.abc import Mapping, Sequence

from cogitate.server.engine.context_limit import Overlong
from cogitate.server.evaluation import virtual_time
from cogitate.server.evaluation.few_shot import turns
from cogitate.server.evaluation.question import Question
from cogitate.server.evaluation.replay_engine import BankEngine, Beyond
from cogitate.server.evaluation.results import Result, refused
from cogitate.server.evaluation.sample import Sample
from cogitate.server.evaluation.sample_bank import Bank
from cogitate.strategies import AnyStrategy
from cogitate.strategies.core.answer_reader import Reading
from cogitate.strategies.core.execute import execute
from cogitate.strategies.core.ports import Verifier
from cogitate.strategies.core.programs import NoPrograms
from cogitate.strategies.core.run import Run
from cogitate.strategies.core.trace import Finished, candidates, usage
from cogitate.strategies.core.types import Message, Prompt, Sampling
from cogitate.strategies.verifiers import BUILT_IN


class NoProofs:
    async def equal(self, a: str, b: str) -> bool:
        return False


def replayed(
    arm: str, strategy: AnyStrategy, question: Question, bank: Bank, repeat: int = 0, beyond: Beyond | None = None
) -> Result:
    """Raises NotInBank, Unanswered, SampleFailed, NoAnswer."""
    order = shuffled(bank.drawn(question.id), f"{question.id}/{repeat}")
    said = turns(bank.recipe.shots, question.text + bank.recipe.instruction)
    asked = Prompt(tuple(Message(turn["role"], turn["content"]) for turn in said), asked=question.text)
    engine = BankEngine(asked, order, bank.greedy(question.id), beyond)
    try:
        return virtual_time.run(_solved(arm, strategy, question, engine, repeat))
    except Overlong:
        return refused(arm, question.id, repeat)


def shuffled(samples: Sequence[Sample], name: str) -> list[Sample]:
    """The same order for every strategy: they are compared in pairs."""
    return random.Random(name).sample(samples, len(samples))


def verifiers(strategy: AnyStrategy) -> Mapping[str, Verifier]:
    """Those that need no server's configuration, and those made of its own options."""
    return strategy.known(BUILT_IN, NoPrograms())


def alternatives(strategy: AnyStrategy) -> int:
    """How many per token it or its verifiers read; the chosen ones' log-probabilities settle ties in any case."""
    known = verifiers(strategy)
    asked = (strategy.logprobs, *(known[name].logprobs for name in strategy.verifiers if name in known))
    return max((number for number in asked if number), default=0)


async def _solved(arm: str, strategy: AnyStrategy, question: Question, engine: BankEngine, repeat: int) -> Result:
    run = Run(
        engine=engine,
        prover=NoProofs(),
        verifiers=verifiers(strategy),
        sampling=Sampling(temperature=strategy.temperature, logprobs=alternatives(strategy)),
        reading=Reading(format=strategy.answer_format, vote_on=strategy.vote_on),
    )
    finished = await execute(strategy, engine.question, run)
    return _told(arm, question, repeat, finished, run)


def _told(arm: str, question: Question, repeat: int, finished: Finished, run: Run) -> Result:
    spent, outcome = usage(run.trace), finished.outcome
    answer = question.answer(outcome.completion.text, outcome.answer)
    return Result(
        arm=arm,
        question=question.id,
        repeat=repeat,
        correct=question.right(answer),
        answer=answer.raw if answer else None,
        tokens=spent.completion,
        aborted=spent.aborted,
        verifier=spent.verifier,
        prompt=spent.prompt,
        candidates=candidates(run.trace),
        depth=asyncio.get_running_loop().time(),
        stopped=finished.stopped,
    )
