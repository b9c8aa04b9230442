"""Who may come in at all, before keys: a page in somebody's browser may not.

A server on a loopback address is reached by its own machine's programs, and so by its browsers, whose pages can be made
to send requests to it (DNS rebinding). Their Host header gives them away.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from starlette.types import ASGIApp, Receive, Scope, Send

from cogitate.server.errors import ApiError, BadRequest, Misdirected
from cogitate.server.protocol.json import JSON
from cogitate.server.settings import LOOPBACK

LOOPBACK_NAMES = frozenset({b"localhost", b"127.0.0.1", b"[::1]"})


@dataclass(slots=True)
class Doorstep:
    app: ASGIApp
    names: frozenset[bytes] | None
    """The names that are answered to, lower case and without ports; None: any."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self.app(scope, receive, send)
        try:
            self._check([value for name, value in scope["headers"] if name == b"host"])
        except ApiError as error:
            return await JSON(error.body, error.status, headers=error.headers)(scope, receive, send)
        return await self.app(scope, receive, send)

    def _check(self, hosts: list[bytes]) -> None:
        if len(hosts) > 1:
            raise BadRequest("The Host header is given more than once.")
        if self.names is not None and hosts and named(hosts[0]) not in self.names:
            raise Misdirected("This server answers to localhost alone, and to each --allowed-host.")


def names_of(host: str, allowed: Iterable[str]) -> frozenset[bytes] | None:
    """What a server listening on `host` answers to."""
    return LOOPBACK_NAMES | {name.lower().encode() for name in allowed} if host in LOOPBACK else None


def named(host: bytes) -> bytes:
    """A Host header without its port."""
    name, colon, port = host.rpartition(b":")
    return (name if colon and port.isdigit() else host).lower()
