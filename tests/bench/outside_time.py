"""Times what an application of vLLM's does for a request outside of vLLM's handler, which waits for the engine."""

import time
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any

from starlette.applications import Starlette
from starlette.types import ASGIApp, Receive, Scope, Send

INSIDE: ContextVar[list[float]] = ContextVar("inside")
"""Seconds that the current request has spent in vLLM's handler."""


class TimedHandler:
    """vLLM's handler of chat completions, timed."""

    def __init__(self, handler: Any) -> None:
        self._handler = handler

    def __getattr__(self, name: str) -> Any:
        return getattr(self._handler, name)

    async def create_chat_completion(self, *arguments: Any, **options: Any) -> Any:
        start = time.perf_counter()
        try:
            return await self._handler.create_chat_completion(*arguments, **options)
        finally:
            INSIDE.get().append(time.perf_counter() - start)


@dataclass(slots=True)
class TimedApplication:
    """An application whose requests are timed, from their headers to the last byte of their responses."""

    app: ASGIApp
    seconds: list[float] = field(default_factory=list)
    """Of each request, those outside of the handler: in the middleware, the route and the event loop's queue."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self.app(scope, receive, send)
        inside: list[float] = []
        token, start = INSIDE.set(inside), time.perf_counter()
        try:
            await self.app(scope, receive, send)
        finally:
            self.seconds.append(time.perf_counter() - start - sum(inside))
            INSIDE.reset(token)

    def take_milliseconds(self) -> list[float]:
        """Return the times since the last call, in milliseconds."""
        taken, self.seconds = self.seconds, []
        return [each * 1000 for each in taken]


def time_application(app: Starlette) -> TimedApplication:
    """Replace vLLM's handler in an application by one that is timed, and return the timed application."""
    app.state.openai_serving_chat = TimedHandler(app.state.openai_serving_chat)
    return TimedApplication(app)
