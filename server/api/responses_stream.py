"""A job -> Server-Sent Events."""

from collections.abc import AsyncIterator, Iterator

from cogitate.server.api.responses_body import responded, retold
from cogitate.server.api.responses_events import Telling
from cogitate.server.api.sse import KEEP_ALIVE, audible, heard
from cogitate.server.engine import Body
from cogitate.server.errors import ApiError, Cancelled
from cogitate.server.observability.trace_json import to_progress
from cogitate.server.planning.plan import Plan
from cogitate.server.protocol.responses import ResponsesRequest
from cogitate.server.protocol.responses_event import encode_error
from cogitate.server.protocol.responses_field_names import rename_fields
from cogitate.server.serving import chat_response as completions
from cogitate.server.serving.jobs import Job, JobReader
from cogitate.strategies.core.trace import Event, TextEmitted


async def stream(wire: ResponsesRequest, plan: Plan, job: Job[Body], reader: JobReader) -> AsyncIterator[bytes]:
    """What was asked, at once; text where it is live, progress where it is asked for; the answer.

    A failure is an `error` event, and the last one.
    """
    telling = Telling(wire, plan)
    for frame in telling.begin():
        yield frame
    async for happened in heard(job, reader):
        if happened is None:
            yield KEEP_ALIVE
            continue
        for frame in news(telling, happened):
            yield frame
    if error := ended(job, reader):
        yield encode_error(error, telling.number)
        return
    for frame in telling.finish(whole(wire, plan, job)):
        yield frame


async def relay(job: Job[Body], reader: JobReader) -> AsyncIterator[bytes]:
    """The engine's own stream as it comes."""
    async for line in heard(job, reader):
        yield KEEP_ALIVE if line is None else line.encode()
    if error := ended(job, reader):
        yield encode_error(error, len(job.record.entries))


def news(telling: Telling, happened: Event) -> Iterator[bytes]:
    """What a client hears of an event while the search runs."""
    options = telling.wire.stream_options
    if isinstance(happened, TextEmitted):
        if happened.delta.text and audible(telling.plan):
            yield from telling.speak(happened.delta)
    elif options and options.include_progress and (report := to_progress(happened)):
        yield telling.event("cogitate.progress", cogitate=report)


def ended(job: Job[Body], reader: JobReader) -> ApiError | None:
    """What kept it from an answer."""
    if reader.dropped.done():
        return Cancelled()
    return rename_fields(job.failure) if job.failure else None


def whole(wire: ResponsesRequest, plan: Plan, job: Job[Body]) -> Body:
    """A finished job's result as a response: a strategy's is a chat.completion, the engine's own is one already."""
    if plan.strategy is None:
        return retold(wire, plan, job.result())
    return responded(wire, plan, completions.relabel(plan, job.result(), cached=job.cached))
