"""The Engine port over a bank: decodes are looked up, and take one second of virtual time per token."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol, cast

from cogitate.server.evaluation.errors import CannotEvaluate
from cogitate.server.evaluation.sample import Sample
from cogitate.strategies.core.confidence_monitor import ConfidenceMonitor
from cogitate.strategies.core.logprobs import TokenLogprob
from cogitate.strategies.core.ports import OnAbort, OnText
from cogitate.strategies.core.prompt import Prompt
from cogitate.strategies.core.types import Completion, Finish, Sampling


class NotInBank(CannotEvaluate):
    """The strategy asked for something that only a model can generate."""


class Fallback(Protocol):
    """Generates what no bank holds: verdicts, steps and syntheses."""

    async def generate(self, prompt: Prompt, sampling: Sampling) -> Completion: ...


@dataclass(slots=True)
class ReplayEngine:
    """Answers decodes of one question with its samples, in order; everything else goes to the fallback."""

    question: Prompt
    order: Sequence[Sample]
    greedy: Sample | None = None
    fallback: Fallback | None = None
    _next: int = field(default=0)
    """Index into `order`."""

    async def generate(
        self, prompt: Prompt, sampling: Sampling, *, on_text: OnText | None = None, on_abort: OnAbort | None = None
    ) -> Completion:
        """Return the next sample, after its tokens' virtual time. Raises NotInBank, and what the fallback raises."""
        if self._is_question(prompt, sampling):
            completion = apply_threshold(to_completion(prompt, self._take(sampling), sampling.logprobs), sampling)
        elif self.fallback:
            completion = await self.fallback.generate(prompt, sampling)
        else:
            raise NotInBank(
                "a bank holds complete responses only: for verdicts, steps and syntheses add --server URL or --model"
            )
        began = asyncio.get_running_loop().time()
        try:
            await asyncio.sleep(completion.completion_tokens)
        except asyncio.CancelledError:
            decoded = min(completion.completion_tokens, int(asyncio.get_running_loop().time() - began))
            if on_abort:
                on_abort(Completion(prompt=prompt, text="", finish="abort", completion_tokens=decoded))
            raise
        return completion

    def _is_question(self, prompt: Prompt, sampling: Sampling) -> bool:
        partial = sampling.auxiliary or sampling.labels or sampling.stop or sampling.until
        return not partial and (prompt.messages, prompt.segments) == (self.question.messages, ())

    def _take(self, sampling: Sampling) -> Sample:
        """Raises NotInBank."""
        if sampling.temperature == 0 and self.greedy:
            sample = self.greedy
        elif self._next < len(self.order):
            sample = self.order[self._next]
            self._next += 1
        else:
            raise NotInBank(f"the bank has {len(self.order)} samples of each question, and the strategy asks for more")
        if sampling.max_tokens is not None and sampling.max_tokens < sample.tokens:
            raise NotInBank("a sample is longer than the strategy's limit of tokens")
        return sample


def apply_threshold(completion: Completion, sampling: Sampling) -> Completion:
    """End a completion where a live engine would: at the token that falls below the confidence threshold."""
    monitor = ConfidenceMonitor(sampling.confidence_threshold) if sampling.confidence_threshold else None
    end = next((at for at, token in enumerate(completion.logprobs, 1) if monitor and monitor.update([token])), None)
    if end is None:
        return completion
    return replace(completion, text="", finish="unsure", completion_tokens=end, logprobs=completion.logprobs[:end])


def to_completion(prompt: Prompt, sample: Sample, alternatives: int | None = 0) -> Completion:
    """Convert a sample to what an engine returns for it.

    `alternatives`: how many per token the caller reads; without any, only the tokens' own log-probabilities are set.
    """
    top = sample.top if sample.top and alternatives else [[] for _ in sample.logprobs]
    return Completion(
        prompt=prompt,
        text=sample.text,
        finish=cast(Finish, sample.finish if sample.finish in ("stop", "length") else "stop"),
        prompt_tokens=sample.prompt_tokens,
        completion_tokens=sample.tokens,
        logprobs=tuple(
            TokenLogprob(0, "", chosen, tuple(TokenLogprob(0, "", alternative) for alternative in likeliest))
            for chosen, likeliest in zip(sample.logprobs, top, strict=True)
        ),
    )
