"""uvicorn's server, which on SIGTERM finishes the requests in flight before it closes."""

import asyncio
import logging
import socket
from collections.abc import Awaitable, Callable
from types import FrameType

import uvicorn
from starlette.types import ASGIApp

from cogitate.server.http.acceptor import Acceptor
from cogitate.server.http.protocol import HttpProtocol

log = logging.getLogger("cogitate.http")
KEEP_ALIVE_SECONDS = 65
"""Time that an idle connection stays open. Longer than clients (httpx: 5) and load balancers (60) keep theirs, so that
they close it, and no request is sent on a connection that the server is closing."""
CLOSE_SECONDS = 2
"""Time for responses to be sent once draining has ended."""


class DrainingServer(uvicorn.Server):
    """A server that awaits `drain` on the first signal, and calls `abort` and exits at once on a second one."""

    def __init__(self, app: ASGIApp, drain: Callable[[], Awaitable[None]], abort: Callable[[], None]) -> None:
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
        self._drain, self._abort = drain, abort
        self._draining: asyncio.Task[None] | None = None
        self._acceptors: list[Acceptor] = []

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Starts the application, then accepts connections of the sockets."""
        await super().startup(sockets=[])
        for listener in sockets or ():
            acceptor = Acceptor(listener, self._create_protocol)
            acceptor.open(self.config.backlog)
            self._acceptors.append(acceptor)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        for acceptor in self._acceptors:
            acceptor.close()
        await super().shutdown(sockets=sockets)

    def _create_protocol(self) -> asyncio.Protocol:
        return HttpProtocol(config=self.config, server_state=self.server_state, app_state=self.lifespan.state)

    def stop(self) -> None:
        """Exits without draining."""
        self.should_exit = True

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        if self.should_exit:
            return
        if self._draining is not None:
            log.warning("a second signal: requests in flight are aborted")
            self._abort()
            self.stop()
        else:
            self._draining = asyncio.ensure_future(self._drain_and_stop())

    async def _drain_and_stop(self) -> None:
        await self._drain()
        self.stop()
