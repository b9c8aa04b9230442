"""The Engine port over replicas: the samples of one client request.

A sample is streamed only where its text is read as it grows, or where an abort is to leave its text. Where nothing
reads it as it grows, the stream is buffered and parsed once, at the end or at the abort.
"""

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from random import SystemRandom

from cogitate.server.engine import Body
from cogitate.server.engine.remote.batching import Batcher, BatchResult
from cogitate.server.engine.remote.config import Endpoint
from cogitate.server.engine.remote.continuation import Continuation
from cogitate.server.engine.remote.early_stop import ConfidenceStop, build_confidence_stop, to_stopped_completion
from cogitate.server.engine.remote.errors import INCOMPLETE_STREAM, UpstreamFailed
from cogitate.server.engine.remote.event_decoder import EventDecoder
from cogitate.server.engine.remote.load_balancer import Affinity, LoadBalancer
from cogitate.server.engine.remote.parse import empty_completion, parse_batch, parse_completion, parse_partial
from cogitate.server.engine.remote.request_body import RequestBuilder
from cogitate.server.engine.remote.response import build_response
from cogitate.server.engine.remote.response_limit import max_sample_bytes
from cogitate.server.engine.remote.stream_parser import StreamParser
from cogitate.server.engine.remote.upstream_response import UpstreamRequest, UpstreamResponse
from cogitate.server.engine.remote.validate import as_dict
from cogitate.server.errors import ApiError, UnsupportedParameter
from cogitate.server.protocol.completion import AnyRequest
from cogitate.strategies.core.ports import OnAbort, OnText
from cogitate.strategies.core.prompt import Prompt
from cogitate.strategies.core.types import Completion, Sampling
from cogitate.strategies.thinking.tags import CLOSE_TAG, OPEN_TAG, is_thinking

SEED_BITS = 31
"""Some upstreams take signed 32-bit seeds only."""


@dataclass(slots=True)
class RemoteConversation:
    """See `Conversation`. Calls go to one replica, whose prefix cache has the prompt, until it is full."""

    request: AnyRequest
    balancer: LoadBalancer
    affinity: Affinity
    builder: RequestBuilder
    continuation: Continuation
    prompt_tokens: int = 0
    """0 where the upstream was not asked to count them."""
    batcher: Batcher | None = field(init=False)
    """None where each sample is a call of its own: a streaming client sees each sample as it ends."""
    _seeds: SystemRandom = field(default_factory=SystemRandom)

    def __post_init__(self) -> None:
        joins = self.builder.dialect.batches and not self.request.stream
        self.batcher = Batcher(self._fetch_batch) if joins else None

    async def generate(
        self, prompt: Prompt, sampling: Sampling, *, on_text: OnText | None = None, on_abort: OnAbort | None = None
    ) -> Completion:
        """See `Engine.generate`. Of the ApiErrors it raises, those that are a SampleFailed cost this sample alone."""
        stream = on_text is not None or sampling.reads_partial or sampling.confidence_threshold is not None
        sample = SampleStream(sampling, on_text)

        async def read(response: UpstreamResponse) -> Completion:
            body = await (sample.read(response) if stream else response.read_json())
            if sample.is_stopped:
                return to_stopped_completion(sample.parser, prompt, sampling)
            return parse_completion(body, prompt, sampling, chunks=sample.parser.text_chunks)

        try:
            if self._joins(stream=stream) and self.batcher and (joined := await self.batcher.decode(prompt, sampling)):
                return joined
            request = await self._build_request(prompt, self._add_seed(sampling), stream=stream)
            if on_text is None:
                completion = await self.balancer.fetch(request, self.affinity, read)
            else:
                async with await self.balancer.open(request, self.affinity) as response:
                    completion = await read(response)
            return completion if sample.is_stopped else await self._detect_tags(completion, sampling)
        except asyncio.CancelledError:
            if on_abort:
                on_abort(sample.build_partial(prompt, sampling))
            raise

    def _joins(self, *, stream: bool) -> bool:
        """Whether identical samples are fetched by one call."""
        return self.batcher is not None and not stream and not self.affinity.replica.refused.refuses_n

    def _add_seed(self, sampling: Sampling) -> Sampling:
        """Return the sampling with a random seed, where the client sent none.

        Some upstreams draw the same text for each call without a seed, so that all samples of a vote were one. The
        samples of a joint call need none: one call does not draw the same text twice.
        """
        if sampling.seed is not None or sampling.temperature == 0 or not self.builder.dialect.seeds:
            return sampling
        return replace(sampling, seed=self._seeds.getrandbits(SEED_BITS))

    async def build_response(self, completions: Sequence[Completion]) -> Body:
        return build_response(self.request, completions)

    async def _fetch_batch(self, prompt: Prompt, sampling: Sampling, n: int) -> BatchResult:
        async def read(response: UpstreamResponse) -> BatchResult:
            return parse_batch(await response.read_json(), n, prompt, sampling)

        return await self.balancer.fetch(await self._build_request(prompt, sampling, n=n), self.affinity, read)

    async def _detect_tags(self, completion: Completion, sampling: Sampling) -> Completion:
        """Set, by its tokens, whether a sample ended at the tag `until`, and whether it ends inside a thought."""
        if sampling.until is None:
            return completion
        opens, closes = [[await self.continuation.encode_tag(tag)] for tag in (OPEN_TAG, CLOSE_TAG)]
        stop = as_dict(completion.native).get("stop_reason")
        is_tag = stop is not None and stop == await self.continuation.encode_tag(sampling.until)
        ids = await self.continuation.encode(completion.continuation)
        return replace(
            completion,
            stopped_by=sampling.until if is_tag else completion.stopped_by,
            thinking=is_thinking(ids, opens, closes),
        )

    async def _build_request(
        self, prompt: Prompt, sampling: Sampling, *, stream: bool = False, n: int = 1
    ) -> UpstreamRequest:
        if prompt.raw is None and not (prompt.segments or sampling.stop or sampling.until):
            body = self.builder.build_chat(prompt, sampling, stream=stream, n=n)
            return self._to_request("chat/completions", body, sampling, stream=stream, n=n)
        tag = None
        if prompt.segments or sampling.stop or sampling.until:
            if not self.builder.dialect.continues:
                raise UnsupportedParameter("The upstream cannot continue partial responses.", param="strategy")
            start: str | list[int] = await self.continuation.encode(prompt)
            tag = await self.continuation.encode_tag(sampling.until) if sampling.until else None
        else:
            start = list(prompt.raw) if isinstance(prompt.raw, tuple) else prompt.raw or ""
        body = self.builder.build_completion(start, sampling, stream=stream, n=n, tag=tag)
        return self._to_request("completions", body, sampling, stream=stream, n=n)

    def _to_request(
        self, endpoint: Endpoint, body: bytes, sampling: Sampling, *, stream: bool, n: int
    ) -> UpstreamRequest:
        limit = max_sample_bytes(sampling, n, self.builder.dialect.context)
        required = self.builder.list_required_fields(sampling)
        return UpstreamRequest(endpoint, body, self.balancer.deadline(), stream, limit, required, n)


@dataclass(slots=True)
class SampleStream:
    """Reads the stream of one sample: live where its text or confidence is followed, else buffered and parsed once."""

    sampling: Sampling
    on_text: OnText | None
    parser: StreamParser = field(default_factory=StreamParser)
    _stop: ConfidenceStop | None = None
    _buffer: bytearray | None = None

    async def read(self, response: UpstreamResponse) -> Body:
        """Return the body of the complete stream, or of a stopped one. Raises UpstreamFailed."""
        self.parser, self._stop = StreamParser(response.redactor), build_confidence_stop(self.sampling)
        try:
            await (self._read_at_once if self.on_text is None and self._stop is None else self._read_live)(response)
        except UpstreamFailed:
            self._parse_buffer(is_complete=False)
            if not self.parser.is_complete:  # What happens to the connection after the end is of no account.
                raise
        if not (self.parser.is_complete or self.is_stopped):
            raise UpstreamFailed(INCOMPLETE_STREAM)
        if not (self.parser.has_finish or self.is_stopped):
            response.check_interruption()
        return self.parser.to_body()

    @property
    def is_stopped(self) -> bool:
        """Whether it was stopped because its confidence fell below the threshold."""
        return self._stop is not None and self._stop.is_stopped

    def build_partial(self, prompt: Prompt, sampling: Sampling) -> Completion:
        """Return the completion of what was received until now."""
        try:
            self._parse_buffer(is_complete=False)
        except ApiError:
            return empty_completion(prompt)
        return parse_partial(self.parser.to_body(), prompt, sampling, chunks=self.parser.text_chunks)

    async def _read_at_once(self, response: UpstreamResponse) -> None:
        self._buffer = bytearray()
        while chunk := await response.read_chunk():
            self._buffer += chunk
        self._parse_buffer(is_complete=True)

    async def _read_live(self, response: UpstreamResponse) -> None:
        decoder = EventDecoder()
        while not self.is_stopped and (chunk := await response.read_chunk()):
            self._parse_live(decoder.feed(chunk))
        if not self.is_stopped:
            self._parse_live(decoder.end())

    def _parse_live(self, payloads: Iterable[bytes]) -> None:
        for payload in payloads:
            for delta in self.parser.feed(payload):
                if self.on_text:
                    self.on_text(delta)
            if self._stop and self._stop.should_stop(self.parser):
                return

    def _parse_buffer(self, *, is_complete: bool) -> None:
        buffer, self._buffer = self._buffer, None
        decoder = EventDecoder()
        for payload in decoder.feed(bytes(buffer or b"")):
            self.parser.feed(payload)
        for payload in decoder.end() if is_complete else ():
            self.parser.feed(payload)
