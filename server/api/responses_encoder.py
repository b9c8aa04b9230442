"""The base of the encoders of a response's events: it numbers them, and remembers the response as last sent."""

from collections.abc import AsyncGenerator, Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from cogitate.server.api import sse
from cogitate.server.api.responses_fields import build_failed_response, build_initial_response
from cogitate.server.engine import Body
from cogitate.server.errors import ApiError
from cogitate.server.planning.plan import Plan
from cogitate.server.protocol.response_object import ENDED
from cogitate.server.protocol.responses import ResponsesRequest
from cogitate.server.protocol.responses_event import encode_error, encode_event
from cogitate.server.protocol.responses_field_names import rename_fields
from cogitate.server.serving.job import Job, JobReader


@dataclass(slots=True)
class ResponseEncoder:
    """Encodes and numbers the events of one response; each is yielded by itself."""

    request: ResponsesRequest
    plan: Plan
    stamp_end: Callable[[Body], Body] = dict
    """Adds its time to a response that is complete."""
    is_full: Callable[[], bool] = lambda: False
    """Whether text is sent at its end only, since the memory for events is used up."""
    number: int = 0
    """Sequence number of the next event."""
    response: Body = field(init=False)
    """The response as of the last event that has it."""

    def __post_init__(self) -> None:
        self.response = build_initial_response(self.request, self.plan)

    @property
    def has_ended(self) -> bool:
        return self.response["status"] in ENDED

    def encode(self, kind: str, **fields: Any) -> bytes:  # noqa: ANN401 JSON
        self.response = fields.get("response", self.response)
        self.number += 1
        return encode_event(kind, self.number - 1, **fields)

    async def record(self, job: Job[Body], reader: JobReader) -> AsyncGenerator[bytes]:
        """Yield the request's echo, text as it is decoded, progress where requested, and the answer, or the failure."""
        for chunk in self.encode_start():
            yield chunk
        if self.request.background:
            await job.wait_for_begin(reader)
            for chunk in self.encode_begin():
                yield chunk
        events = sse.follow(job, reader)
        try:
            async for event in events:
                if event is None:
                    yield sse.KEEP_ALIVE
                    continue
                for chunk in self.encode_event(event):
                    yield chunk
        finally:
            await events.aclose()
        error = sse.find_error(job, reader)
        for chunk in self.encode_failure(rename_fields(error)) if error else self.encode_result(job):
            yield chunk

    def encode_start(self) -> Iterator[bytes]:
        """The events before the work. In the background it may have to wait for its turn."""
        yield self.encode("response.created", response=self.response)
        if self.request.background:
            yield self.encode("response.queued", response=self.response)
        else:
            yield from self.encode_begin()

    def encode_begin(self) -> Iterator[bytes]:
        """The event for the begin of the work."""
        yield self.encode("response.in_progress", response=self.response | {"status": "in_progress"})

    def encode_event(self, event: Any) -> Iterator[bytes]:  # noqa: ANN401 a search's event, or one of the engine's
        """The events for one event of the job."""
        raise NotImplementedError

    def encode_result(self, job: Job[Body]) -> Iterator[bytes]:
        """The last events of a job that has succeeded."""
        raise NotImplementedError

    def encode_failure(self, error: ApiError) -> Iterator[bytes]:
        """The last event of a job that has failed. A response that can be fetched later holds the error."""
        if self.request.background:
            yield self.encode("response.failed", response=build_failed_response(self.request, self.plan, error))
        else:
            yield encode_error(error, self.number)
