"""Around every request: an id, its count and time in the metrics, and an answer where one of ours went wrong."""

import logging
import os
import re
import time
from dataclasses import dataclass

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from cogitate.server.errors import Internal
from cogitate.server.observability.metrics import Metrics
from cogitate.server.protocol.json import JSON
from cogitate.server.safe_traceback import whereabouts

log = logging.getLogger("cogitate")
WELL_FORMED = re.compile(rb"[A-Za-z0-9._-]{1,128}")


@dataclass(slots=True)
class Observation:
    app: ASGIApp
    metrics: Metrics
    endpoints: frozenset[str]
    """The paths that are told apart; all others are `other`."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self.app(scope, receive, send)
        began, status = time.perf_counter(), 0
        state = scope.setdefault("state", {})
        state["request_id"] = request_id(scope).decode()
        state["strategy"] = "none"

        async def stamped(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                named = (b"x-request-id", state["request_id"].encode())
                message["headers"] = [*message["headers"], named, *state.get("headers", ())]
            await send(message)

        try:
            await self.app(scope, receive, stamped)
        except Exception as failure:  # noqa: BLE001 what nobody foresaw, and whose words may be the client's
            log.error("a request failed: %s", whereabouts(failure))
            if not status:
                await JSON(Internal().body, Internal.status, headers=Internal.headers)(scope, receive, stamped)
        finally:
            endpoint = scope["path"] if scope["path"] in self.endpoints else "other"
            self.metrics.answered(endpoint, state["strategy"], status or 500, time.perf_counter() - began)


def request_id(scope: Scope) -> bytes:
    """The client's own id where it is well formed, else a fresh one."""
    sent = next((value for name, value in scope["headers"] if name == b"x-request-id"), b"")
    return sent if WELL_FORMED.fullmatch(sent) else os.urandom(16).hex().encode()
