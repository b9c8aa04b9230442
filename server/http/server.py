"""uvicorn's server, which on SIGTERM finishes the requests in flight before it closes."""

import asyncio
from collections.abc import Awaitable, Callable
from types import FrameType

import uvicorn
from starlette.types import ASGIApp

from cogitate.server.http.protocol import HttpProtocol

KEEP_ALIVE_SECONDS = 65
"""Time that an idle connection stays open. Longer than clients (httpx: 5) and load balancers (60) keep theirs, so that
they close it, and no request is sent on a connection that the server is closing."""
CLOSE_SECONDS = 2
"""Time for responses to be sent once draining has ended."""


class DrainingServer(uvicorn.Server):
    """A server that awaits `drain` on the first signal, and exits at once on a second one."""

    def __init__(self, app: ASGIApp, drain: Callable[[], Awaitable[None]]) -> None:
        super().__init__(
            uvicorn.Config(
                app,
                http=HttpProtocol,
                ws="none",
                log_config=None,
                log_level="warning",
                access_log=False,
                proxy_headers=False,
                server_header=False,
                timeout_keep_alive=KEEP_ALIVE_SECONDS,
                timeout_graceful_shutdown=CLOSE_SECONDS,
                lifespan="on",
            )
        )
        self._drain = drain
        self._draining: asyncio.Task[None] | None = None

    def stop(self) -> None:
        """Exits without draining."""
        self.should_exit = True

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        if self._draining is not None:
            self.stop()
        else:
            self._draining = asyncio.ensure_future(self._drain_and_stop())

    async def _drain_and_stop(self) -> None:
        await self._drain()
        self.stop()
