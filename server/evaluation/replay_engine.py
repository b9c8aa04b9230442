"""The bank in the place of an engine: it decodes by looking up, and takes a second of virtual time for each token."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol, cast

from cogitate.server.evaluation.errors import CannotEvaluate
from cogitate.server.evaluation.sample import Sample
from cogitate.strategies.core.logprobs import TokenLogprob
from cogitate.strategies.core.ports import OnAbort, OnText
from cogitate.strategies.core.types import Completion, Finish, Prompt, Sampling
from cogitate.strategies.voting.confidence import Watch


class NotInBank(CannotEvaluate):
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
