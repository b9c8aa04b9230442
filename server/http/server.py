"""uvicorn's server, which on SIGTERM finishes the requests in flight before it closes."""

import asyncio
import logging
import signal
import socket
from collections.abc import Awaitable, Callable
from functools import partial
from types import FrameType
from typing import Literal

import uvicorn
from starlette.types import ASGIApp

from cogitate.server.http.protocol import HttpProtocol
from cogitate.server.http.tls import Tls

log = logging.getLogger("cogitate.http")
KEEP_ALIVE_SECONDS = 65
"""Time that an idle connection stays open. Longer than clients (httpx: 5) and load balancers (60) keep theirs, so that
they close it, and no request is sent on a connection that the server is closing."""
INTERRUPT_SECONDS = 1.0
"""Time for the engine to end by itself after Ctrl-C. A clean end of vLLM's takes 5 s and more."""
CLOSE_SECONDS = 2
"""Time for responses to be sent once draining has ended."""


def build_config(app: ASGIApp, lifespan: Literal["on", "off"] = "on") -> uvicorn.Config:
    """Build uvicorn's configuration of one listener."""
    return uvicorn.Config(
        app,
        http=HttpProtocol,
        ws="websockets-sansio",
        log_config=None,
        log_level="warning",
        access_log=False,
        proxy_headers=False,
        server_header=False,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=CLOSE_SECONDS,
        lifespan=lifespan,
    )


class DrainingServer(uvicorn.Server):
    """A server that awaits `drain` on the first signal, and calls `abort` and exits at once on a second one.

    On SIGTERM, which a supervisor sends, it awaits `linger` before. Whoever presses Ctrl-C (SIGINT) waits for the end:
    `kill` is called INTERRUPT_SECONDS after the drain, and at once on a second signal.
    """

    def __init__(
        self,
        app: ASGIApp,
        drain: Callable[[], Awaitable[None]],
        abort: Callable[[], None],
        linger: Callable[[], Awaitable[None]] | None = None,
        tls: Tls | None = None,
        kill: Callable[[], None] = lambda: None,
    ) -> None:
        config = build_config(app)
        super().__init__(tls.configure(config) if tls else config)
        self._tls = tls
        self._drain, self._abort, self._linger, self._kill = drain, abort, linger, kill
        self._draining: asyncio.Task[None] | None = None
        self._others: list[tuple[uvicorn.Config, socket.socket]] = []
        self._refresh: asyncio.Task[None] | None = None
        """Loads changed certificates."""

    def serve_also(self, app: ASGIApp, listener: socket.socket) -> None:
        """Serve another application, without a lifespan, on another socket until the server stops."""
        self._others.append((build_config(app, "off"), listener))

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start the application, then accepts connections of the sockets."""
        unix = [each for each in sockets or () if each.family == socket.AF_UNIX]
        await super().startup(sockets=[each for each in sockets or () if each not in unix])
        loop = asyncio.get_running_loop()
        for listener in unix:
            create = partial(self._create_protocol, self.config)
            self.servers.append(await loop.create_unix_server(create, sock=listener, ssl=self.config.ssl))
        for config, listener in self._others:
            config.load()
            await self._listen(config, listener)
        if self._tls and self._tls.enable_ssl_refresh and self.config.ssl:
            self._refresh = asyncio.create_task(self._tls.refresh(self.config.ssl))

    async def listen(self, listener: socket.socket) -> None:
        """Accept connections of one more socket, once the server has started."""
        await self._listen(self.config, listener)

    async def listen_also(self, app: ASGIApp, listener: socket.socket) -> None:
        """Serve another application, without a lifespan, once the server has started."""
        config = build_config(app, "off")
        config.load()
        await self._listen(config, listener)

    async def _listen(self, config: uvicorn.Config, listener: socket.socket) -> None:
        create = partial(self._create_protocol, config)
        loop = asyncio.get_running_loop()
        self.servers.append(await loop.create_server(create, sock=listener, backlog=config.backlog))

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        if self._refresh:
            self._refresh.cancel()
        await super().shutdown(sockets=[*(sockets or ()), *(listener for _, listener in self._others)])

    def _create_protocol(self, config: uvicorn.Config) -> asyncio.Protocol:
        return HttpProtocol(config=config, server_state=self.server_state, app_state=self.lifespan.state)

    def stop(self) -> None:
        """Exits without draining."""
        self.should_exit = True

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        if self.should_exit:
            return
        if self._draining is not None:
            log.warning("a second signal: requests in flight are aborted")
            self.abort()
        else:
            self.begin_drain(sig)

    def begin_drain(self, sig: int) -> None:
        """Drain and stop, as on this signal, unless that has begun."""
        if self._draining is None:
            self._draining = asyncio.ensure_future(self._drain_and_stop(sig))

    def abort(self) -> None:
        """End the requests in flight, and stop."""
        self._abort()
        self._kill()
        self.stop()

    async def _drain_and_stop(self, sig: int) -> None:
        if sig == signal.SIGTERM and self._linger:
            await self._linger()
        await self._drain()
        if sig == signal.SIGINT:
            asyncio.get_running_loop().call_later(INTERRUPT_SECONDS, self._kill)
        self.stop()
