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
from dataclasses import dataclass, field, replace
from typing import Protocol, cast

from server.evaluation import clockwork
from server.evaluation.bank import GREEDY, Bank, Sample
from server.evaluation.question import Question
from server.evaluation.results import Result
from server.evaluation.shots import turns
from strategies import AnyStrategy
from strategies.certainty import Watch
from strategies.execute import execute
from strategies.logprobs import TokenLogprob
from strategies.ports import OnAbort, OnText, Verifier
from strategies.reading import Reading
from strategies.run import Run
from strategies.trace import candidates, usage
from strategies.types import Completion, Finish, Message, Prompt, Sampling
from strategies.verifiers import BUILT_IN


class NotInBank(Exception):
    """The strategy asked for something that only a live engine can give."""


class Beyond(Protocol):
    """What decodes what is in no bank."""

    async def generate(self, prompt: Prompt, sampling: Sampling) -> Completion: ...


@dataclass(slots=True)
class BankEngine:
    """Decodes by looking up: answers to this very question."""

    question: Prompt
    order: Sequence[Sample]
    greedy: Sample | None = None
    beyond: Beyond | None = None
    asked: int = field(default=0)

    async def generate(
        self, prompt: Prompt, sampling: Sampling, *, on_text: OnText | None = None, on_abort: OnAbort | None = None
    ) -> Completion:
        if self._holds(prompt, sampling):
            made = floored(completion(prompt, self._next(sampling), sampling.logprobs), sampling)
        elif self.beyond:
            made = await self.beyond.generate(prompt, sampling)
        else:
            raise NotInBank("a bank holds whole answers: verdicts, steps and syntheses need a --server beside it")
        began = asyncio.get_running_loop().time()
        try:
            await asyncio.sleep(made.completion_tokens)
        except asyncio.CancelledError:
            spent = min(made.completion_tokens, int(asyncio.get_running_loop().time() - began))
            if on_abort:
                on_abort(Completion(prompt=prompt, text="", finish="abort", completion_tokens=spent))
            raise
        return made

    def _holds(self, prompt: Prompt, sampling: Sampling) -> bool:
        beside = sampling.auxiliary or sampling.labels or sampling.stop or sampling.until
        return not beside and (prompt.messages, prompt.pieces) == (self.question.messages, ())

    def _next(self, sampling: Sampling) -> Sample:
        if sampling.temperature == 0 and self.greedy:
            sample = self.greedy
        elif self.asked < len(self.order):
            sample = self.order[self.asked]
            self.asked += 1
        else:
            raise NotInBank(f"the bank has {len(self.order)} samples of each question, and more were asked for")
        if sampling.max_tokens is not None and sampling.max_tokens < sample.tokens:
            raise NotInBank("a sample is longer than what the strategy allows it")
        return sample


def alternatives(strategy: AnyStrategy, verifiers: Mapping[str, Verifier]) -> int:
    """How many per token it or its verifiers read; the chosen ones' log-probabilities settle ties in any case."""
    asked = (strategy.logprobs, *(verifiers[name].logprobs for name in strategy.verifiers if name in verifiers))
    return max((number for number in asked if number), default=0)


class NoProofs:
    async def equal(self, a: str, b: str) -> bool:
        return False


def floored(made: Completion, sampling: Sampling) -> Completion:
    """As it would be with the request's floor: ended, and without a text, at the token where it falls below."""
    watch = Watch(sampling.floor) if sampling.floor else None
    fell = next((at for at, token in enumerate(made.logprobs, 1) if watch and watch.falls([token])), None)
    if fell is None:
        return made
    return replace(made, text="", finish="unsure", completion_tokens=fell, logprobs=made.logprobs[:fell])


def completion(prompt: Prompt, sample: Sample, alternatives: int | None = 0) -> Completion:
    """As an engine tells it that was asked for so many alternatives per token."""
    top = sample.top if sample.top and alternatives else [[] for _ in sample.logprobs]
    return Completion(
        prompt=prompt,
        text=sample.text,
        finish=cast(Finish, sample.finish if sample.finish in ("stop", "length") else "stop"),
        prompt_tokens=sample.prompt_tokens,
        completion_tokens=sample.tokens,
        logprobs=tuple(
            TokenLogprob(0, "", chosen, tuple(TokenLogprob(0, "", other) for other in others))
            for chosen, others in zip(sample.logprobs, top, strict=True)
        ),
    )


def replayed(
    arm: str, strategy: AnyStrategy, question: Question, bank: Bank, repeat: int = 0, beyond: Beyond | None = None
) -> Result:
    """Raises NotInBank."""
    order = shuffled(bank.drawn(question.id), f"{question.id}/{repeat}")
    said = turns(bank.recipe.shots, question.text + bank.recipe.instruction)
    asked = Prompt(tuple(Message(turn["role"], turn["content"]) for turn in said), asked=question.text)
    engine = BankEngine(asked, order, bank.samples[question.id].get(GREEDY), beyond)
    return clockwork.run(_solved(arm, strategy, question, engine, repeat, BUILT_IN))


def shuffled(samples: Sequence[Sample], name: str) -> list[Sample]:
    """The same order for every strategy: they are compared in pairs."""
    return random.Random(name).sample(samples, len(samples))


async def _solved(
    arm: str,
    strategy: AnyStrategy,
    question: Question,
    engine: BankEngine,
    repeat: int,
    verifiers: Mapping[str, Verifier],
) -> Result:
    run = Run(
        engine=engine,
        prover=NoProofs(),
        verifiers=verifiers,
        sampling=Sampling(temperature=strategy.temperature, logprobs=alternatives(strategy, verifiers)),
        reading=Reading(format=strategy.answer_format, vote_on=strategy.vote_on),
    )
    finished = await execute(strategy, engine.question, run)
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
