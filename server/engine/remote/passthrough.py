"""A request without a strategy: the upstream's own answer, passed on under our name for the model, its end watched."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Protocol

import orjson

from cogitate.server.engine import Body
from cogitate.server.engine.remote import events
from cogitate.server.engine.remote.config import Path
from cogitate.server.engine.remote.errors import NOT_THERE, Lost
from cogitate.server.engine.remote.load_balancer import Home, Replicas
from cogitate.server.engine.remote.replica import Ask
from cogitate.server.engine.remote.reply import Reply
from cogitate.server.engine.remote.request_body import Dialect
from cogitate.server.engine.remote.response_limit import of_plain
from cogitate.server.engine.remote.watching import ChatWatch, ResponsesWatch
from cogitate.server.errors import ApiError, Unsupported, Upstream
from cogitate.server.protocol.chat import AnyRequest, ChatRequest
from cogitate.server.protocol.responses import ResponsesRequest


class Watch(Protocol):
    """What an answer of its kind must be. Both raise Lost for what it cannot be."""

    complete: bool
    """The stream has said all that it must."""

    def whole(self, said: object) -> Body:
        """The answer, under our name for the model."""

    def event(self, payload: bytes) -> str | None:
        """The event to send for one that came; None for none."""


async def answer(
    request: AnyRequest | ResponsesRequest, replicas: Replicas, home: Home, dialect: Dialect, served: str, salt: str
) -> Body | AsyncIterator[str]:
    """`served`: our name for the model. Raises ApiError, also from the stream."""
    said = orjson.dumps({**request.forwarded(), **dialect.named(salt)})
    ask = Ask(path(request), said, replicas.until(), bool(request.stream), of_plain(request, dialect.longest))
    watch = ResponsesWatch(served) if isinstance(request, ResponsesRequest) else ChatWatch(request, served)

    async def whole(reply: Reply) -> Body:
        return watch.whole(await reply.json())

    try:
        if not ask.stream:
            return await replicas.answer(ask, home, whole)
        return Passing(await replicas.open(ask, home), watch)
    except Upstream as error:
        if ask.path == "responses" and error.code == NOT_THERE:
            raise Unsupported("The upstream has no Responses API: name a strategy, or use chats.") from None
        raise


def path(request: AnyRequest | ResponsesRequest) -> Path:
    if isinstance(request, ResponsesRequest):
        return "responses"
    return "chat/completions" if isinstance(request, ChatRequest) else "completions"


@dataclass(slots=True)
class Passing(AsyncIterator[str]):
    """The stream's events, as they come. Raises ApiError: Lost where it breaks off, BadRequest for a late refusal.

    No generator: forgetting it, begun or not, closes the upstream at once.
    """

    reply: Reply
    watch: Watch
    _lines: events.Lines = field(default_factory=events.Lines)
    _ready: deque[str] = field(default_factory=deque)
    _over: bool = False

    async def __anext__(self) -> str:
        try:
            while not self._ready and not self._over:
                await self._advance()
        except (ApiError, asyncio.CancelledError) as error:
            self.reply.end(error)
            raise
        if self._ready:
            return self._ready.popleft()
        self.reply.end()
        raise StopAsyncIteration

    async def _advance(self) -> None:
        piece = await self.reply.piece()
        for payload in self._lines.cut(piece):
            if (event := self.watch.event(payload)) is not None:
                self._ready.append(event)
        self._over = self.watch.complete or not piece
        if self._over and not self.watch.complete:
            raise Lost("ended its stream before the answer was complete")
