"""Runs one sequence in the engine, and aborts it on cancellation, on a failed callback or when it should stop."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from vllm import SamplingParams
from vllm.inputs import EngineInput
from vllm.logprobs import FlatLogprobs, Logprob
from vllm.lora.request import LoRARequest
from vllm.outputs import CompletionOutput, RequestOutput
from vllm.v1.engine.async_llm import AsyncLLM
from vllm.v1.engine.output_processor import RequestOutputCollector

from cogitate.server.engine.trace_headers import TRACE_HEADERS
from cogitate.strategies.core.logprobs import Logprobs, TokenLogprob
from cogitate.strategies.core.ports import SampleFailed


@dataclass(slots=True)
class DecodedSequence:
    """The output of one sequence so far, accumulated from deltas or taken from one final output."""

    text: str = ""
    token_ids: list[int] = field(default_factory=list)
    logprobs: FlatLogprobs = field(default_factory=FlatLogprobs)
    finish_reason: str | None = None
    stop_reason: int | str | None = None
    prompt_tokens: int = 0
    cached_tokens: int | None = None

    def add(self, output: RequestOutput) -> CompletionOutput:
        """Append an output. Returns its one sequence, which holds what is new."""
        (delta,) = output.outputs
        self.text += delta.text
        self.token_ids += delta.token_ids
        if delta.logprobs:
            extend_logprobs(self.logprobs, delta.logprobs)
        self.finish_reason, self.stop_reason = delta.finish_reason, delta.stop_reason
        self.prompt_tokens = len(output.prompt_token_ids or ())
        if delta.token_ids:  # vLLM reports 0 cached tokens for a sequence that never ran
            self.cached_tokens = output.num_cached_tokens
        return delta

    @property
    def content_ids(self) -> tuple[int, ...]:
        """The tokens without the one that ended the turn."""
        at_end_of_turn = self.finish_reason == "stop" and not isinstance(self.stop_reason, str)
        return tuple(self.token_ids[:-1] if at_end_of_turn else self.token_ids)


class Submission(NamedTuple):
    """How a sequence is submitted."""

    request_id: str
    lora: LoRARequest | None = None


async def decode(
    llm: AsyncLLM,
    prompt: EngineInput,
    params: SamplingParams,
    how: Submission,
    on_output: Callable[[CompletionOutput], None] | None,
    on_abort: Callable[[DecodedSequence], None] | None,
    should_stop: Callable[[CompletionOutput], bool] | None = None,
) -> DecodedSequence:
    """Run a sequence to its end, or until `should_stop` of a new output is true: finish reason "unsure".

    A cancelled call aborts the sequence, passes the output so far to `on_abort` and re-raises. A call whose `on_output`
    or `should_stop` raises, as a parser of model output may, does the same and raises SampleFailed.

    A cancellation inside add_request would leak the sequence (vllm #57061), so the submission is shielded and the
    sequence is aborted by id once it is submitted.
    """
    sequence = DecodedSequence()
    headers = TRACE_HEADERS.get() or None
    added = llm.add_request(how.request_id, prompt, params, lora_request=how.lora, trace_headers=headers)
    submission = asyncio.ensure_future(added)
    try:
        collector = await asyncio.shield(submission)
        while sequence.finish_reason is None:
            delta = sequence.add(collector.get_nowait() or await collector.get())
            if _should_stop(delta, on_output, should_stop):
                await asyncio.shield(_abort(llm, submission, sequence))
                sequence.finish_reason = "unsure"
    except (asyncio.CancelledError, SampleFailed):
        await asyncio.shield(_abort(llm, submission, sequence))
        if on_abort:
            on_abort(sequence)
        raise
    return sequence


def _should_stop(
    delta: CompletionOutput,
    on_output: Callable[[CompletionOutput], None] | None,
    should_stop: Callable[[CompletionOutput], bool] | None,
) -> bool:
    """Pass an output to both callbacks. Raises SampleFailed where either raises."""
    try:
        if on_output:
            on_output(delta)
        return bool(should_stop and should_stop(delta))
    except Exception as failure:
        raise SampleFailed(f"reading the streamed output failed: {type(failure).__name__}") from failure


async def _abort(
    llm: AsyncLLM, submission: "asyncio.Future[RequestOutputCollector]", sequence: DecodedSequence
) -> None:
    """Abort a submitted sequence, and append the output that the engine has not delivered yet."""
    collector = await submission
    await llm.abort(collector.request_id, internal=True)
    if last := collector.get_nowait():
        sequence.add(last)
    if sequence.finish_reason is None:
        sequence.finish_reason = "abort"


def extend_logprobs(target: FlatLogprobs, more: FlatLogprobs) -> None:
    """Append column by column: FlatLogprobs.extend makes a dictionary for each position."""
    offset = len(target.logprobs)
    target.start_indices += [offset + start for start in more.start_indices]
    target.end_indices += [offset + end for end in more.end_indices]
    target.token_ids += more.token_ids
    target.logprobs += more.logprobs
    target.ranks += more.ranks
    target.decoded_tokens += more.decoded_tokens


def to_logprobs(token_ids: Sequence[int], reported: FlatLogprobs, top: int) -> Logprobs:
    """Convert vLLM's log-probabilities: each chosen token with its `top` best alternatives, itself among them or not.

    vLLM puts the chosen token before the alternatives. Where it has merged two outputs, the chosen token may be in its
    ranked place only, and then the positions differ in width.
    """
    count, width = min(len(token_ids), len(reported)), top + 1
    if len(reported.logprobs) == width * len(reported):
        tokens, end = Logprobs(), width * count
        columns = reported.token_ids[:end], reported.logprobs[:end], reported.decoded_tokens[:end]
        tokens.extend(reported.start_indices[:count], *columns)
        return tokens
    return Logprobs(
        replace(
            _to_token(token, position[token]),
            top=tuple(_to_token(each, entry) for each, entry in position.items() if entry.rank and entry.rank <= top),
        )
        for token, position in zip(token_ids, reported, strict=False)
    )


def _to_token(token: int, entry: Logprob) -> TokenLogprob:
    return TokenLogprob(token, entry.decoded_token or "", entry.logprob)
