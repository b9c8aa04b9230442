"""Failures of upstream calls. Of the upstream's own messages only the reason for a bad request reaches a client.

UpstreamFailed, UpstreamBusy and UpstreamDown are each both a SampleFailed, which costs a strategy one sample while the
other samples go on, and an ApiError, which a client gets where there is no other sample.
"""

from collections.abc import Mapping

import orjson

from cogitate.server.engine.error_message import find_field, is_context_too_long
from cogitate.server.errors import ApiError, BadRequest, ContextTooLong, NotReady, Overloaded, UpstreamError
from cogitate.strategies.core.ports import SampleFailed

MAX_MESSAGE_CHARACTERS = 500
MAX_PARAM_CHARACTERS = 64
MAX_RETRY_AFTER_SECONDS = 3600
UPSTREAM_NOT_FOUND = "upstream_not_found"
"""Error code: the upstream does not have the endpoint."""


class UpstreamFailed(SampleFailed, UpstreamError):
    """The upstream returned no valid response.

    Args:
        reason: completes the sentence "The upstream ...".
        no_response: nothing was received, so the replica may be down.
    """

    def __init__(self, reason: str, *, no_response: bool = False) -> None:
        super().__init__(f"The upstream {reason}.")
        self.no_response = no_response


class UpstreamBusy(SampleFailed, Overloaded):
    """Every replica that was tried returned 429. `retry_after`: seconds, from the upstream's Retry-After."""

    def __init__(self, retry_after: int) -> None:
        super().__init__("The upstream takes no more requests for now.")
        self.retry_after = retry_after
        self.headers = {"Retry-After": str(retry_after)}


class UpstreamDown(SampleFailed, NotReady):
    """No replica is available."""

    def __init__(self) -> None:
        super().__init__("No upstream is available.", code="upstream_down")
        self.headers = {"Retry-After": "1"}


def error_from_status(status: int, headers: Mapping[str, str], body: bytes) -> ApiError:
    """Build the error for a response whose status is not 200."""
    if status in (400, 413, 422):
        return parse_bad_request(body)
    if status == 429:
        return UpstreamBusy(parse_retry_after(headers.get("retry-after", "")))
    if status in (401, 403):
        return UpstreamError("The upstream refuses this server's requests.", code="upstream_refused")
    if status in (404, 405):
        return UpstreamError("The upstream does not have the requested endpoint.", code=UPSTREAM_NOT_FOUND)
    if 300 <= status < 400:
        return UpstreamFailed("returned a redirect, which is not followed")
    return UpstreamFailed(f"returned status {status}")


def parse_bad_request(body: bytes) -> BadRequest:
    """Build a BadRequest with the upstream's own reason, truncated and without unprintable characters."""
    try:
        payload = orjson.loads(body)
    except orjson.JSONDecodeError:
        payload = None
    error = payload.get("error", payload) if isinstance(payload, dict) else None
    if not isinstance(error, dict):
        error = {"message": error}
    reason = error.get("message") or error.get("detail")
    message = to_printable(reason) if isinstance(reason, str) else "The upstream rejected this request."
    field = error.get("param")
    param = to_printable(field)[:MAX_PARAM_CHARACTERS] if isinstance(field, str) else None
    if is_context_too_long(f"{error.get('code')} {message}"):
        return ContextTooLong(message, param="messages")
    return BadRequest(message, param=param or find_field(message))


def error_from_chunk(error: object) -> ApiError:
    """Build the error that a stream sends as its first chunk: vLLM so reports what would be a status otherwise."""
    code = error.get("code") if isinstance(error, dict) else None
    if code in (400, 413, 422):
        return parse_bad_request(orjson.dumps({"error": error}))
    return UpstreamFailed("returned an error while streaming")


def to_printable(text: str) -> str:
    """Replace unprintable characters by spaces and truncate to MAX_MESSAGE_CHARACTERS."""
    start = text[: 4 * MAX_MESSAGE_CHARACTERS]
    return " ".join("".join(c if c.isprintable() else " " for c in start).split())[:MAX_MESSAGE_CHARACTERS]


def parse_retry_after(value: str) -> int:
    """Return Retry-After in seconds, from 1 to MAX_RETRY_AFTER_SECONDS; 1 where it is no number of seconds."""
    is_number = value.isascii() and value.isdigit() and len(value) < 9
    return min(max(int(value), 1), MAX_RETRY_AFTER_SECONDS) if is_number else 1
