"""HEAD is answered as GET is (RFC 9110, 9.3.2); what stands below us sends the head of it alone."""

from collections.abc import Iterable
from dataclasses import dataclass

from starlette.types import ASGIApp, Receive, Scope, Send


@dataclass(slots=True)
class Heads:
    app: ASGIApp

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        asks_for_it = scope["type"] == "http" and scope["method"] == "HEAD"
        await self.app({**scope, "method": "GET"} if asks_for_it else scope, receive, send)


def allowed(methods: Iterable[str]) -> str:
    """An Allow header, for a route that takes these."""
    taken = set(methods)
    return ", ".join(sorted(taken | {"HEAD"} if "GET" in taken else taken))
