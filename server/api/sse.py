"""A job's trace -> Server-Sent Events: valid OpenAI chunks from the first byte to [DONE], progress if wanted."""

from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from typing import Any

import orjson

from cogitate.server.engine import Body
from cogitate.server.errors import ApiError, BadRequest, Cancelled, Upstream
from cogitate.server.observability.trace_json import to_progress
from cogitate.server.planning.plan import Plan
from cogitate.server.protocol.chat import ChatRequest
from cogitate.server.protocol.json import dumps
from cogitate.server.serving.chat_response import relabel
from cogitate.server.serving.jobs import Job, JobReader
from cogitate.strategies.core.trace import TextEmitted
from cogitate.strategies.core.types import TextDelta

SILENCE = 15.0
"""Seconds before a comment is sent, so that proxies do not cut the connection."""
KEEP_ALIVE = b": keep-alive\n\n"
DONE = b"data: [DONE]\n\n"


def event(body: Body) -> bytes:
    return b"data: " + dumps(body) + b"\n\n"


@dataclass(slots=True)
class Chunks:
    """Chunks of one answer: they share id, time and model. Remembers what was already said."""

    plan: Plan
    said: str = ""
    reasoned: str = ""

    def chunk(self, delta: Body, finish: str | None = None, *, index: int = 0, logprobs: object = None) -> Body:
        said = {"delta": delta} if isinstance(self.plan.request, ChatRequest) else {"text": delta.get("content") or ""}
        return self._head() | {"choices": [{"index": index, **said, "logprobs": logprobs, "finish_reason": finish}]}

    def _head(self) -> Body:
        chat = isinstance(self.plan.request, ChatRequest)
        return {
            "id": self.plan.id,
            "object": "chat.completion.chunk" if chat else "text_completion",
            "created": self.plan.created,
            "model": self.plan.model,
        }

    def begin(self) -> bytes:
        return event(self.chunk({"role": "assistant", "content": ""}))

    def news(self, report: Body) -> bytes:
        """Progress: a chunk that says nothing, and what happened."""
        return event(self.chunk({}) | {"cogitate": report})

    def speak(self, speech: TextDelta) -> bytes:
        """Visible text as it is decoded: the content, or the reasoning where that is kept apart."""
        apart = set_apart(self.plan, speech)
        if apart:
            self.reasoned += speech.text
        else:
            self.said += speech.text
        return event(self.chunk({"reasoning_content" if apart else "content": speech.text}))

    def finish(self, body: Body) -> Iterator[bytes]:
        """What is left to say of a finished answer: the rest of its text, its calls, its end, its usage."""
        for choice in body["choices"]:
            index = choice["index"]
            if index:
                yield event(self.chunk({"role": "assistant", "content": ""}, index=index))
            rest = self._rest(choice.get("message") or {"content": choice.get("text")}, first=index == 0)
            if rest or choice.get("logprobs"):
                yield event(self.chunk(rest, index=index, logprobs=choice.get("logprobs")))
            last = self.chunk({}, choice["finish_reason"], index=index)
            yield event(last | ({"cogitate": body["cogitate"]} if "cogitate" in body else {}))
        options = self.plan.request.stream_options
        if options and options.include_usage:
            yield event(self._head() | {"choices": [], "usage": body["usage"]})
        yield DONE

    def _rest(self, message: Body, *, first: bool) -> Body:
        delta: Body = {}
        if content := unsaid(message.get("content"), self.said if first else ""):
            delta["content"] = content
        reasoning = message.get("reasoning_content") or message.get("reasoning")
        if reasoning := unsaid(reasoning, self.reasoned if first else ""):
            delta["reasoning_content"] = reasoning
        if calls := message.get("tool_calls"):
            delta["tool_calls"] = [{"index": at, **call} for at, call in enumerate(calls)]
        return delta


def unsaid(text: str | None, said: str) -> str:
    """What is left of a text of which `said` has been sent; nothing where the stream was read in another way."""
    return text.removeprefix(said) if text and text.startswith(said) else ""


async def stream(plan: Plan, job: Job[Body], reader: JobReader) -> AsyncIterator[bytes]:
    """The role first; then text where it is live, progress where it is asked for; the answer; the end.

    A failure is an error event, and no [DONE].
    """
    chunks = Chunks(plan)
    yield chunks.begin()
    options = plan.request.stream_options
    progress = bool(options and options.include_progress)
    async for happened in heard(job, reader):
        if happened is None:
            yield KEEP_ALIVE
        elif isinstance(happened, TextEmitted):
            if audible(plan):
                yield chunks.speak(happened.delta)
        elif progress and (report := to_progress(happened)):
            yield chunks.news(report)
    if failure := ended(job, reader):
        yield failure
        return
    for chunk in chunks.finish(relabel(plan, job.result(), cached=job.cached)):
        yield chunk


def audible(plan: Plan) -> bool:
    """Whether a client hears how an answer is come to."""
    return plan.strategy is None or plan.strategy.reasoning != "hidden"


def set_apart(plan: Plan, speech: TextDelta) -> bool:
    """Whether it is told as reasoning: by the engine's word, or by the client's."""
    return speech.reasoning or (plan.strategy is not None and plan.strategy.reasoning != "inline")


async def relay(job: Job[Body], reader: JobReader) -> AsyncIterator[bytes]:
    """The engine's own stream as it comes; its errors in our words."""
    async for line in heard(job, reader):
        if line is None:
            yield KEEP_ALIVE
            continue
        failed = failure(line)
        yield (failed or line).encode()
        if failed:
            return
    if lost := ended(job, reader):
        yield lost


async def heard(job: Job[Body], reader: JobReader) -> AsyncIterator[Any]:
    """What happens, and None for every SILENCE seconds in which nothing does; ends with the job or the reader."""
    while True:
        while (event := job.record.next_event(reader.place)) is not None:
            yield event
        if job.record.closed or job.task is None or reader.dropped.done():
            return
        if not await job.record.wait(SILENCE):
            yield None


def ended(job: Job[Body], reader: JobReader) -> bytes | None:
    """The error event of what ended without an answer."""
    if reader.dropped.done():
        return event(Cancelled().body)
    return event(job.failure.body) if job.failure else None


def failure(line: str) -> str | None:
    """The error event for an error that the engine's own stream holds; None for every other line."""
    error = _error(line)
    return None if error is None else event(error.body).decode()


def raise_if_refused(job: Job[Body]) -> None:
    """An error that comes before any answer still gets its status."""
    first = next(iter(job.record), None)
    if isinstance(first, str) and (error := _error(first)):
        raise error


def _error(line: str) -> ApiError | None:
    if not line.startswith('data: {"error"'):
        return None
    said = orjson.loads(line.removeprefix("data: "))["error"]
    if said.get("code", 500) < 500:
        return BadRequest(str(said["message"])[:500], param=said.get("param"))
    return Upstream("The engine lost this request.")
