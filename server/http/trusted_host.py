"""Rejects requests whose Host header is not allowed (DNS-rebinding protection).

A server on a loopback address can be reached by every web page open on its machine: a page whose name was rebound to
127.0.0.1 sends that name as Host. This check runs before authentication. No rule of the browser's keeps a page from
opening a WebSocket to another origin, so that there the Origin header is checked as well.

Not starlette's TrustedHostMiddleware (1.10): it answers in plain text with a 400, whereas fault list row T36
(deploy/results/faults.md) and the wire contract require a 421 in OpenAI's error envelope; it does not reject a second
Host header (400 here); and it rejects requests without Host, which HTTP/1.0 health checks send and browsers cannot.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from starlette.types import ASGIApp, Receive, Scope, Send

from cogitate.server.errors import ApiError, BadRequest, Forbidden, MisdirectedRequest
from cogitate.server.http.error_response import build_error_response
from cogitate.server.settings import LOOPBACK_HOSTS

LOOPBACK_NAMES = frozenset({b"localhost", b"127.0.0.1", b"[::1]"})


@dataclass(slots=True)
class TrustedHost:
    """ASGI middleware that answers 421 to a Host header outside `names`, and 400 to more than one Host header.

    A WebSocket from a page of another host gets 403.
    """

    app: ASGIApp
    names: frozenset[bytes] | None
    """Allowed host names, in lower case and without ports. None allows any."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            return await self.app(scope, receive, send)
        try:
            self._check([value for name, value in scope["headers"] if name == b"host"])
            if scope["type"] == "websocket":
                self._check_origin(scope)
        except ApiError as error:
            return await build_error_response(scope, error)(scope, receive, send)
        return await self.app(scope, receive, send)

    def _check(self, hosts: list[bytes]) -> None:
        if len(hosts) > 1:
            raise BadRequest("The Host header is given more than once.")
        if self.names is not None and hosts and strip_port(hosts[0]) not in self.names:
            raise MisdirectedRequest(
                "This Host is not allowed: use localhost, or start the server with --allowed-host NAME."
            )

    def _check_origin(self, scope: Scope) -> None:
        for origin in [value for name, value in scope["headers"] if name == b"origin"]:
            if self.names is not None and strip_port(origin.rpartition(b"//")[2]) not in self.names:
                raise Forbidden("Pages of this Origin may not connect: start the server with --allowed-host NAME.")


def build_allowed_hosts(host: str, allowed: Iterable[str]) -> frozenset[bytes] | None:
    """Return the names to accept as Host when listening on `host`; None (any) where `host` is no loopback address."""
    if host not in LOOPBACK_HOSTS:
        return None
    return LOOPBACK_NAMES | {name.lower().encode() for name in allowed}


def strip_port(host: bytes) -> bytes:
    """Return a Host header's name in lower case, without its port. An IPv6 literal keeps its brackets."""
    name, colon, port = host.rpartition(b":")
    return (name if colon and port.isdigit() else host).lower()
