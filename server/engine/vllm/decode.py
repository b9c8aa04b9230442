"""Submit, gather, abort: one sequence in the engine, whose end the caller's cancellation is."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from vllm import SamplingParams
from vllm.inputs import EngineInput
from vllm.logprobs import FlatLogprobs, Logprob
from vllm.outputs import CompletionOutput, RequestOutput
from vllm.v1.engine.async_llm import AsyncLLM
from vllm.v1.engine.output_processor import RequestOutputCollector

from cogitate.strategies.core.logprobs import Logprobs, TokenLogprob
from cogitate.strategies.core.ports import SampleFailed


@dataclass(slots=True)
class Transcript:
    """What one sequence has said so far. Outputs may come whole or as deltas."""

    text: str = ""
    token_ids: list[int] = field(default_factory=list)
    logprobs: FlatLogprobs = field(default_factory=FlatLogprobs)
    finish_reason: str | None = None
    stop_reason: int | str | None = None
    prompt_tokens: int = 0
    cached_tokens: int | None = None

    def add(self, output: RequestOutput) -> CompletionOutput:
        """Takes in an output; returns what is new in it."""
        (said,) = output.outputs
        self.text += said.text
        self.token_ids += said.token_ids
        if said.logprobs:
            _grow(self.logprobs, said.logprobs)
        self.finish_reason, self.stop_reason = said.finish_reason, said.stop_reason
        self.prompt_tokens = len(output.prompt_token_ids or ())
        if said.token_ids:  # what never ran is said to have had nothing cached
            self.cached_tokens = output.num_cached_tokens
        return said

    @property
    def spoken_ids(self) -> tuple[int, ...]:
        """The tokens without the one that ended the turn."""
        at_end_of_turn = self.finish_reason == "stop" and not isinstance(self.stop_reason, str)
        return tuple(self.token_ids[:-1] if at_end_of_turn else self.token_ids)


async def decode(
    llm: AsyncLLM,
    prompt: EngineInput,
    params: SamplingParams,
    request_id: str,
    hear: Callable[[CompletionOutput], None] | None,
    on_abort: Callable[[Transcript], None] | None,
    falls: Callable[[CompletionOutput], bool] | None = None,
) -> Transcript:
    """Runs to the end, or until `falls` says of what is new that it is enough: then it is aborted, as unsure.

    When cancelled, aborts, hands `on_abort` what was decoded, and lets the cancellation go on. Where whoever hears it
    fails, as a parser may over what a model writes, it is aborted, too. Raises SampleFailed.

    A cancel that lands inside add_request would leak the sequence (vllm #57061), so submission is shielded and aborted
    by id once it is through.
    """
    transcript = Transcript()
    submission = asyncio.ensure_future(llm.add_request(request_id, prompt, params))
    try:
        collector = await asyncio.shield(submission)
        while transcript.finish_reason is None:
            said = transcript.add(collector.get_nowait() or await collector.get())
            if _heard(said, hear, falls):
                await asyncio.shield(_abort(llm, submission, transcript))
                transcript.finish_reason = "unsure"
    except (asyncio.CancelledError, SampleFailed):
        await asyncio.shield(_abort(llm, submission, transcript))
        if on_abort:
            on_abort(transcript)
        raise
    return transcript


def _heard(
    said: CompletionOutput,
    hear: Callable[[CompletionOutput], None] | None,
    falls: Callable[[CompletionOutput], bool] | None,
) -> bool:
    """Whether it is enough. Raises SampleFailed."""
    try:
        if hear:
            hear(said)
        return bool(falls and falls(said))
    except Exception as failure:
        raise SampleFailed(f"what reads the answer as it comes failed: {type(failure).__name__}") from failure


async def _abort(llm: AsyncLLM, submission: "asyncio.Future[RequestOutputCollector]", transcript: Transcript) -> None:
    collector = await submission
    await llm.abort(collector.request_id, internal=True)
    if last := collector.get_nowait():
        transcript.add(last)
    if transcript.finish_reason is None:
        transcript.finish_reason = "abort"


def _grow(whole: FlatLogprobs, more: FlatLogprobs) -> None:
    """Column by column: its own `extend` makes a dictionary of each position."""
    begun = len(whole.logprobs)
    whole.start_indices += [begun + start for start in more.start_indices]
    whole.end_indices += [begun + end for end in more.end_indices]
    whole.token_ids += more.token_ids
    whole.logprobs += more.logprobs
    whole.ranks += more.ranks
    whole.decoded_tokens += more.decoded_tokens


def token_logprobs(token_ids: Sequence[int], said: FlatLogprobs, top: int) -> Logprobs:
    """The chosen tokens, each with its `top` best alternatives, the chosen among them or not.

    vLLM puts the chosen token before the alternatives. Where it has put two outputs together, it may be in its place
    only once.
    """
    count, width = min(len(token_ids), len(said)), top + 1
    if len(said.logprobs) == width * len(said):
        tokens, end = Logprobs(), width * count
        columns = said.token_ids[:end], said.logprobs[:end], said.decoded_tokens[:end]
        tokens.extend(said.start_indices[:count], *columns)
        return tokens
    return Logprobs(
        replace(
            _token(token, position[token]),
            top=tuple(_token(each, found) for each, found in position.items() if found.rank and found.rank <= top),
        )
        for token, position in zip(token_ids, said, strict=False)
    )


def _token(token: int, found: Logprob) -> TokenLogprob:
    return TokenLogprob(token, found.decoded_token or "", found.logprob)
