"""Accepts connections, several in a turn of the event loop.

libuv, and so uvloop, accepts one connection in a turn of its loop (libuv #3696). Under load a turn takes 20 to 30 ms,
so that 400 new connections a second would wait for seconds before anything of the server sees them.
"""

import asyncio
import logging
import socket
import ssl
from collections.abc import Callable
from dataclasses import dataclass, field

log = logging.getLogger("cogitate.http")
MAX_ACCEPTS_PER_TURN = 64
"""More would delay the connections that are open already."""
RETRY_SECONDS = 0.1
"""Pause after a failure such as too many open files."""
CreateProtocol = Callable[[], asyncio.Protocol]


@dataclass(slots=True)
class Acceptor:
    """Accepts the connections of one listening socket, until it is closed."""

    listener: socket.socket
    create_protocol: CreateProtocol
    tls: ssl.SSLContext | None = None
    _loop: asyncio.AbstractEventLoop = field(default_factory=asyncio.get_running_loop)
    _connecting: "set[asyncio.Task[None]]" = field(default_factory=set)
    _retry: asyncio.TimerHandle | None = None

    def open(self, backlog: int) -> None:
        """Starts to listen."""
        self.listener.setblocking(False)
        if self.listener.family != socket.AF_UNIX:
            self.listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # its connections inherit it
        self.listener.listen(backlog)
        self._loop.add_reader(self.listener, self._accept)

    def close(self) -> None:
        """Accepts nothing more. The socket stays open."""
        self._loop.remove_reader(self.listener)
        if self._retry:
            self._retry.cancel()

    def _accept(self) -> None:
        for _ in range(MAX_ACCEPTS_PER_TURN):
            try:
                connection, _ = self.listener.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return
            except OSError as error:
                self._pause(error)
                return
            task = self._loop.create_task(self._connect(connection))
            self._connecting.add(task)
            task.add_done_callback(self._connecting.discard)

    async def _connect(self, connection: socket.socket) -> None:
        try:
            await self._loop.connect_accepted_socket(self.create_protocol, connection, ssl=self.tls)
        except OSError:
            connection.close()  # the client has left already, or its TLS handshake failed

    def _pause(self, error: OSError) -> None:
        """The connection stays in the backlog: without a pause the loop would try again and again."""
        log.warning("cannot accept a connection: %s", error.strerror)
        self._loop.remove_reader(self.listener)
        self._retry = self._loop.call_later(RETRY_SECONDS, self._loop.add_reader, self.listener, self._accept)
