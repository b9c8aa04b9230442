"""Joins identical samples that start together into one upstream call with `n`.

The prompt is sent, prefilled and billed once, and the cost of a call on both sides is paid once. Samples are not joined
where one call would take something away: a seed of their own, streamed text, an abort before the other samples end.
This needs an upstream that reports each choice's token ids, by which every sample is billed. Where the joint call
fails, each sample is fetched by a call of its own, so that one invalid choice does not cost the other samples.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from cogitate.server.engine.remote.errors import UpstreamBusy, UpstreamDown, UpstreamFailed
from cogitate.server.errors import ApiError
from cogitate.strategies.core.prompt import Prompt
from cogitate.strategies.core.types import Completion, Sampling

MAX_SAMPLES_PER_CALL = 64
"""What hosted APIs accept; and few enough that the loss of one call is bearable."""
MAX_TOKENS_PER_CALL = 65_536
"""Of all samples of one call: its body is parsed in one go, in a few milliseconds at most."""
MIN_TEMPERATURE = 0.01
"""Below this vLLM decodes greedily, and then rejects `n` above 1."""
BatchResult = Sequence[Completion | UpstreamFailed]
FetchBatch = Callable[[Prompt, Sampling, int], Awaitable[BatchResult]]
"""Fetches `n` samples by one call; UpstreamFailed in place of an invalid one. Raises ApiError."""


def max_batch_size(sampling: Sampling) -> int:
    """How many samples with this sampling one call may request."""
    is_random = sampling.temperature is not None and sampling.temperature >= MIN_TEMPERATURE
    is_own = sampling.seed is not None or sampling.reads_partial or sampling.logprobs is not None or sampling.stop
    if not sampling.joinable or not is_random or is_own or sampling.until or sampling.max_tokens is None:
        return 1
    return min(MAX_SAMPLES_PER_CALL, MAX_TOKENS_PER_CALL // max(sampling.max_tokens, 1))


@dataclass(slots=True)
class Batch:
    """One joint call, and the futures of the samples that wait for it."""

    fetch: Callable[[int], Awaitable[BatchResult]]
    waiters: "list[asyncio.Future[Completion | None]]" = field(default_factory=list)
    _call: "asyncio.Task[None] | None" = None

    async def join(self) -> Completion | None:
        """Wait for one sample; None: it is to be fetched by a call of its own.

        Cancelling the last waiter aborts the call before the cancellation goes on.
        """
        waiter: asyncio.Future[Completion | None] = asyncio.get_running_loop().create_future()
        self.waiters.append(waiter)
        try:
            return await waiter
        except asyncio.CancelledError:
            if self._call and all(each.cancelled() for each in self.waiters):
                self._call.cancel()
                with suppress(asyncio.CancelledError):
                    await self._call
            raise

    def start(self) -> None:
        """Make the call, for those who still wait."""
        waiters = [waiter for waiter in self.waiters if not waiter.done()]
        if waiters:
            self._call = asyncio.get_running_loop().create_task(self._run(waiters))

    async def _run(self, waiters: "list[asyncio.Future[Completion | None]]") -> None:
        results: Sequence[Completion | Exception | None] = [None] * len(waiters)
        if len(waiters) > 1:
            try:
                results = await self.fetch(len(waiters))
            except Exception as error:  # noqa: BLE001 any failure must reach the waiters
                results = [None if is_retried_separately(error) else error] * len(waiters)
        for waiter, result in zip(waiters, results, strict=True):
            if waiter.done():
                continue
            if isinstance(result, Exception):
                waiter.set_exception(result)
            else:
                waiter.set_result(result)


@dataclass(slots=True)
class Batcher:
    """Collects the samples of one request that start in the same iteration of the event loop."""

    fetch: FetchBatch
    _open: dict[tuple[int, Sampling], Batch] = field(default_factory=dict)

    async def decode(self, prompt: Prompt, sampling: Sampling) -> Completion | None:
        """Return a sample of a joint call; None: it is to be fetched by a call of its own. Raises ApiError."""
        if (limit := max_batch_size(sampling)) < 2:
            return None
        key = (id(prompt), sampling)
        batch = self._open.get(key)
        if batch is None or len(batch.waiters) == limit:
            batch = self._open[key] = Batch(lambda n: self.fetch(prompt, sampling, n))
            asyncio.get_running_loop().call_soon(self._start, key, batch)
        return await batch.join()

    def _start(self, key: tuple[int, Sampling], batch: Batch) -> None:
        if self._open.get(key) is batch:
            del self._open[key]
        batch.start()


def is_retried_separately(error: Exception) -> bool:
    """Whether each sample should be fetched alone: it may succeed, or report its own error."""
    return isinstance(error, ApiError) and not isinstance(error, UpstreamDown | UpstreamBusy)
