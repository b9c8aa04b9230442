"""Chooses how a response is encoded: complete or streamed, by a strategy or by the engine alone, waited for or not."""

from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

from cogitate.server.api.respond import Encoding
from cogitate.server.api.responses_body import render_response
from cogitate.server.api.responses_encoder import ResponseEncoder
from cogitate.server.api.responses_fields import set_end_time
from cogitate.server.api.responses_relay import BackgroundRelayEncoder, RelayEncoder
from cogitate.server.api.responses_stream import EventEncoder
from cogitate.server.engine import Body
from cogitate.server.planning.plan import Plan
from cogitate.server.protocol.responses import ResponsesRequest
from cogitate.server.serving.job import Job, JobReader


@dataclass(slots=True)
class StateEncoder(ResponseEncoder):
    """Encodes the states of a response that is not streamed."""

    def encode_event(self, event: Any) -> Iterator[bytes]:  # noqa: ANN401 a search's event
        """Nothing."""
        yield from ()

    def encode_result(self, job: Job[Body]) -> Iterator[bytes]:
        response = render_response(self.request, self.plan, job.result(), cached=job.cached)
        yield self.encode(f"response.{response['status']}", response=self.stamp_end(response))


def build_encoder(
    request: ResponsesRequest, plan: Plan, job: Job[Body], is_full: Callable[[], bool] = lambda: False
) -> ResponseEncoder:
    """Build the encoder of a job's events. `is_full`: as in ResponseEncoder."""
    kind: type[ResponseEncoder] = EventEncoder
    if request.background and not request.stream:
        kind = StateEncoder
    elif plan.strategy is None:
        kind = BackgroundRelayEncoder if request.background else RelayEncoder
    return kind(request, plan, partial(set_end_time, job), is_full)


@dataclass(frozen=True, slots=True)
class ResponsesEncoding(Encoding):
    """The encoding of one response that its client waits for."""

    store: Callable[[Body], Awaitable[None]] | None = None
    """Stores a response that has ended; None where it is not to be stored."""

    @classmethod
    def build(cls, request: ResponsesRequest, store: Callable[[Body], Awaitable[None]] | None) -> "ResponsesEncoding":
        return cls(partial(render_response, request), partial(_stream, request, store), store)

    async def render(self, plan: Plan, job: Job[Body]) -> Body:
        response = set_end_time(job, self.build_body(plan, job.result(), cached=job.cached))
        if self.store:
            await self.store(response)
        return response


async def _stream(
    request: ResponsesRequest,
    store: Callable[[Body], Awaitable[None]] | None,
    plan: Plan,
    job: Job[Body],
    reader: JobReader,
) -> AsyncGenerator[bytes]:
    """Yield the events. The response is stored before its client is told that it has ended."""
    encoder = build_encoder(request, plan, job)
    events = encoder.record(job, reader)
    try:
        async for event in events:
            if store and encoder.has_ended:
                await store(encoder.response)
            yield event
    finally:
        await events.aclose()
