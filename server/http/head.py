"""Answers HEAD as GET (RFC 9110, 9.3.2). uvicorn drops the content of a response to HEAD."""

from collections.abc import Iterable
from dataclasses import dataclass

from starlette.types import ASGIApp, Receive, Scope, Send


@dataclass(slots=True)
class HeadAsGet:
    """ASGI middleware that routes a HEAD request as a GET."""

    app: ASGIApp

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        is_head = scope["type"] == "http" and scope["method"] == "HEAD"
        await self.app({**scope, "method": "GET"} if is_head else scope, receive, send)


def build_allow_header(methods: Iterable[str]) -> str:
    """Return the Allow header for a route with these methods. A route that has GET allows HEAD too."""
    names = set(methods)
    return ", ".join(sorted(names | {"HEAD"} if "GET" in names else names))
