"""A job's trace -> Server-Sent Events: valid OpenAI chunks from the first byte to [DONE], progress if wanted."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass

import orjson

from server.api.json import dumps
from server.engine import Body
from server.errors import ApiError, BadRequest, Upstream
from server.jobs import Job
from server.plan import Plan
from strategies.trace import Aborted, Cast, Event, Proposed, Sampled, Spoken
from strategies.types import Speech

KEEP_ALIVE = 15.0
"""Seconds of silence before a comment is sent, so that proxies do not cut the connection."""
DONE = b"data: [DONE]\n\n"


def event(body: Body) -> bytes:
    return b"data: " + dumps(body) + b"\n\n"


@dataclass(slots=True)
class Chunks:
    """Chunks of one answer: they share id, time and model. Remembers what was already said."""

    plan: Plan
    created: int = 0
    said: str = ""
    reasoned: str = ""

    def chunk(self, delta: Body, finish: str | None = None, *, index: int = 0, logprobs: object = None) -> Body:
        choice = {"index": index, "delta": delta, "logprobs": logprobs, "finish_reason": finish}
        return self._head() | {"choices": [choice]}

    def _head(self) -> Body:
        self.created = self.created or int(time.time())
        return {
            "id": self.plan.id,
            "object": "chat.completion.chunk",
            "created": self.created,
            "model": self.plan.model,
        }

    def begin(self) -> bytes:
        return event(self.chunk({"role": "assistant", "content": ""}))

    def news(self, told: Body) -> bytes:
        """Progress: a chunk that says nothing, and what happened."""
        return event(self.chunk({}) | {"cogitate": told})

    def speak(self, speech: Speech) -> bytes:
        """Visible text as it is decoded: the content, or the reasoning where that is kept apart."""
        apart = speech.reasoning or (self.plan.strategy is not None and self.plan.strategy.reasoning != "inline")
        if apart:
            self.reasoned += speech.text
        else:
            self.said += speech.text
        return event(self.chunk({"reasoning_content" if apart else "content": speech.text}))

    def finish(self, body: Body) -> Iterator[bytes]:
        """What is left to say of a finished answer: the rest of its text, its calls, its end, its usage."""
        for choice in body["choices"]:
            index = choice["index"]
            if rest := self._rest(choice["message"]):
                yield event(self.chunk(rest, index=index, logprobs=choice.get("logprobs")))
            last = self.chunk({}, choice["finish_reason"], index=index)
            yield event(last | ({"cogitate": body["cogitate"]} if "cogitate" in body else {}))
        options = self.plan.request.stream_options
        if options and options.include_usage:
            yield event(self._head() | {"choices": [], "usage": body["usage"]})
        yield DONE

    def _rest(self, message: Body) -> Body:
        delta: Body = {}
        if content := unsaid(message.get("content"), self.said):
            delta["content"] = content
        if reasoning := unsaid(message.get("reasoning_content") or message.get("reasoning"), self.reasoned):
            delta["reasoning_content"] = reasoning
        if calls := message.get("tool_calls"):
            delta["tool_calls"] = [{"index": at, **call} for at, call in enumerate(calls)]
        return delta


def unsaid(text: str | None, said: str) -> str:
    """What is left of a text of which `said` has been sent; nothing where the stream was read in another way."""
    return text.removeprefix(said) if text and text.startswith(said) else ""


async def stream(plan: Plan, job: Job[Body]) -> AsyncIterator[bytes]:
    """The role first; then text where it is live, progress where it is asked for; the answer; the end.

    A failure is an error event, and no [DONE].
    """
    chunks = Chunks(plan)
    yield chunks.begin()
    options = plan.request.stream_options
    progress = bool(options and options.include_progress)
    hidden = plan.strategy is not None and plan.strategy.reasoning == "hidden"
    async for happened in _or_silence(job.trace.follow()):
        if happened is None:
            yield b": keep-alive\n\n"
        elif isinstance(happened, Spoken) and not hidden:
            yield chunks.speak(happened.speech)
        elif progress and (news := told(happened)):
            yield chunks.news(news)
    await job.finished()
    if job.failure:
        yield event(job.failure.body)
        return
    for chunk in chunks.finish(job.result()):
        yield chunk


async def replay(plan: Plan, body: Body) -> AsyncIterator[bytes]:
    """A cached answer as a stream."""
    chunks = Chunks(plan)
    yield chunks.begin()
    for chunk in chunks.finish(body):
        yield chunk


def told(happened: Event) -> Body | None:
    """An event as a progress report; None for what is no news to a client."""
    match happened:
        case Sampled(role, made) | Aborted(role, made):
            kind = "sampled" if isinstance(happened, Sampled) else "aborted"
            return {"event": kind, "role": role, "index": made.index, "tokens": made.completion_tokens}
        case Cast(made, answer):
            return {"event": "answer", "index": made.index, "answer": answer.raw if answer else None}
        case Proposed(outcome):
            leader = outcome.answer.raw if outcome.answer else None
            return {"event": "leading", "answer": leader, "agreement": outcome.agreement, "score": outcome.score}
    return None


async def _or_silence(events: AsyncIterator[Event]) -> AsyncIterator[Event | None]:
    """The events, and None for every KEEP_ALIVE seconds without one."""
    upcoming: asyncio.Future[Event] | None = None
    try:
        while True:
            upcoming = upcoming or asyncio.ensure_future(anext(events))
            done, _ = await asyncio.wait([upcoming], timeout=KEEP_ALIVE)
            if not done:
                yield None
                continue
            try:
                yield upcoming.result()
            except StopAsyncIteration:
                return
            upcoming = None
    finally:
        if upcoming:
            upcoming.cancel()


def failure(line: str) -> str | None:
    """The error event for an error that the engine's own stream holds; None for every other line."""
    error = _error(line)
    return None if error is None else event(error.body).decode()


def raise_if_error(line: str) -> None:
    if error := _error(line):
        raise error


def _error(line: str) -> ApiError | None:
    if not line.startswith('data: {"error"'):
        return None
    said = orjson.loads(line.removeprefix("data: "))["error"]
    if said.get("code", 500) < 500:
        return BadRequest(str(said["message"])[:500], param=said.get("param"))
    return Upstream("The engine lost this request.")
