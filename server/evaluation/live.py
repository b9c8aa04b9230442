"""A strategy against a running server, over its own API: what a client would see and pay."""

import asyncio
import sys
from collections.abc import Sequence
from dataclasses import dataclass

from cogitate.server.evaluation.arms import Arm
from cogitate.server.evaluation.baselines import GREEDY, ONE, Graded, compared, majority, oracle, sampled
from cogitate.server.evaluation.client import Client
from cogitate.server.evaluation.comparison import Comparison
from cogitate.server.evaluation.lanes import each
from cogitate.server.evaluation.live_request import Asking, body
from cogitate.server.evaluation.progress import Progress
from cogitate.server.evaluation.question import Question
from cogitate.server.evaluation.results import Result, Results, refused
from cogitate.server.evaluation.told import Candidate, Refused, Told, TooLong
from cogitate.strategies.answers import Answer, extract


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """What is asked, of whom it does not say. `n`: samples beside, 0: none."""

    arms: Sequence[Arm]
    n: int
    questions: Sequence[Question]
    asking: Asking
    comparison: Comparison

    @property
    def vote(self) -> str:
        """The arm whose samples are rows of their own."""
        return majority(self.n).name if self.n else ""

    def missing(self, name: str, question: Question, known: Results) -> bool:
        rows = (name, oracle(self.n)) if name == self.vote else (name,)
        return any(key not in known for row in rows for key in self.comparison.of(row, question.id))


async def measure(work: Work, to: Results, client: Client, in_flight: int) -> None:
    """Fills the results with what is not there yet: greedy, the vote with its samples, the arms. Raises Refused."""
    wanted = [
        (arm, question)
        for question in work.questions
        for arm in (None, *compared(work.arms, work.n))
        if work.missing(arm.name if arm else GREEDY, question, to)
    ]
    progress = Progress("answers", sys.stderr, len(wanted))

    async def one(job: tuple[Arm | None, Question]) -> None:
        arm, question = job
        n = work.n if arm and arm.name == work.vote else 0
        results = await asked(client, work.asking, arm, question, n)
        to.put(work.comparison.made[question.id], *results)
        progress.advance(results[0].tokens)

    await each(wanted, in_flight, one)


async def asked(client: Client, asking: Asking, arm: Arm | None, question: Question, n: int = 0) -> list[Result]:
    """The arm's result; with n also those of its samples, and of their oracle. Raises Refused."""
    name = arm.name if arm else GREEDY
    try:
        answer, seconds = await client.chat(body(asking, arm, question, candidates=n > 0))
        check(answer, arm, n)
    except TooLong:
        beside = [*(refused(ONE, question.id, at) for at in range(n)), refused(oracle(n), question.id)] if n else []
        return [refused(name, question.id), *beside]
    except Refused as error:
        raise Refused(f"{name}, {question.id}: {error}") from None
    return await asyncio.to_thread(judged, answer, seconds, name, question, n)


def check(answer: Told, arm: Arm | None, n: int) -> None:
    """Raises Refused where the server knows no strategies, or tells nothing of their samples."""
    if arm and not answer.cogitate:
        raise Refused("the server has no strategies: its answer has no `cogitate`")
    if n and not (answer.cogitate and answer.cogitate.samples):
        raise Refused("the server does not tell the samples: its answer has no `cogitate.samples`")


def judged(answer: Told, seconds: float, name: str, question: Question, n: int) -> list[Result]:
    """What is told, graded."""
    said, spent, read = answer.cogitate, answer.usage, question.answer(answer.text, answered(answer, question))
    whole = Result(
        arm=name,
        question=question.id,
        correct=question.right(read),
        answer=read.raw if read else None,
        tokens=spent.completion_tokens,
        aborted=said.aborted_tokens if said else 0,
        verifier=said.verifier_tokens if said else 0,
        prompt=spent.prompt_tokens,
        candidates=said.candidates if said else 1,
        depth=said.depth if said else spent.completion_tokens,
        seconds=seconds,
        stopped=said.stopped if said else "completed",
    )
    samples = [graded(sample, question, spent.prompt_tokens) for sample in (said.samples if said and n else ())]
    return [whole, *(sampled(question.id, samples, n) if samples else ())]


def graded(sample: Candidate, question: Question, prompt: int) -> Graded:
    read = question.answer(sample.text, written(sample.answer))
    return Graded(read.raw if read else None, question.right(read), sample.tokens, prompt)


def answered(answer: Told, question: Question) -> Answer | None:
    """What the strategy says it answered; of a plain answer what can be read from it, nothing where it was cut."""
    if answer.cogitate:
        return written(answer.cogitate.answer)
    read = extract(answer.text, "auto", question.text)
    return read if read and (answer.choices[0].finish_reason == "stop" or read.rule == "boxed") else None


def written(said: str | None) -> Answer | None:
    return None if said is None else Answer(said, said, "phrase")
