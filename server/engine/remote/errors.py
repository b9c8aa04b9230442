"""Failures of upstream calls. Of the upstream's own messages only the reason for a bad request reaches a client.

UpstreamFailed, UpstreamBusy and UpstreamDown are each both a SampleFailed, which costs a strategy one sample while the
other samples go on, and an ApiError, which a client gets where there is no other sample.
"""

from collections.abc import Callable, Mapping
from typing import Any

import orjson

from cogitate.server.engine.error_message import find_field, is_context_too_long, parse_context_error
from cogitate.server.errors import ApiError, BadRequest, NotReady, Overloaded, UpstreamError
from cogitate.strategies.core.ports import SampleFailed

INCOMPLETE_STREAM = "ended its stream before the response was complete"
MAX_MESSAGE_CHARACTERS = 500
MAX_PARAM_CHARACTERS = 64
MAX_RETRY_AFTER_SECONDS = 3600
MAX_DETAILS = 4
"""Of the fields that an upstream names as invalid, those that a message lists."""
Redact = Callable[[str], str]
"""Removes from a text what it repeats of the request."""
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


class UpstreamInterrupted(UpstreamFailed):
    """The upstream ended a stream because another call began. It is called again, one call at a time."""

    def __init__(self) -> None:
        super().__init__(f"{INCOMPLETE_STREAM}, because another call began")


class UpstreamBusy(SampleFailed, Overloaded):
    """Every replica that was tried returned 429. `retry_after`: seconds, from the upstream's Retry-After."""

    def __init__(self, retry_after: int) -> None:
        super().__init__("The upstream takes no more requests for now.", limit="upstream_busy")
        self.retry_after = retry_after
        self.headers = {"Retry-After": str(retry_after)}


class UpstreamDown(SampleFailed, NotReady):
    """No replica is available."""

    def __init__(self) -> None:
        super().__init__("No upstream is available.", code="upstream_down")
        self.headers = {"Retry-After": "1"}


def error_from_status(status: int, headers: Mapping[str, str], body: bytes, redact: Redact = str) -> ApiError:
    """Build the error for a response whose status is not 200. `redact`: for the upstream's own message."""
    if status in (400, 413, 422):
        return parse_bad_request(body, redact)
    if status == 429:
        return UpstreamBusy(parse_retry_after(headers.get("retry-after", "")))
    if status in (401, 403):
        return UpstreamError("The upstream refuses this server's requests.", code="upstream_refused")
    if status in (404, 405):
        return UpstreamError("The upstream does not have the requested endpoint.", code=UPSTREAM_NOT_FOUND)
    if 300 <= status < 400:
        return UpstreamFailed("returned a redirect, which is not followed")
    return UpstreamFailed(f"returned status {status}")


def parse_bad_request(body: bytes, redact: Redact = str) -> BadRequest:
    """Build a BadRequest with the upstream's own reason, redacted, truncated and without unprintable characters."""
    try:
        payload = orjson.loads(body)
    except orjson.JSONDecodeError:
        payload = None
    code, reason, field = find_reason(payload)
    message = to_printable(redact(reason)) if reason else "The upstream rejected this request."
    param = to_printable(redact(field))[:MAX_PARAM_CHARACTERS] if field else None
    if is_context_too_long(f"{code} {reason}"):
        return parse_context_error(message, "messages")
    return BadRequest(message, param=param or find_field(reason or ""))


def find_reason(payload: Any) -> tuple[str, str | None, str | None]:  # noqa: ANN401 JSON
    """Return the code, the message and the field of an error body, in any of the forms that servers have for it.

    OpenAI's `{"error": {"message", "param", "code"}}`; the error itself, or a text, in place of the object; a list of
    one (Google); `detail` as a text or as FastAPI's list of invalid fields, also below `message` (Mistral).
    """
    if isinstance(payload, list) and len(payload) == 1:
        payload = payload[0]
    error = payload.get("error", payload) if isinstance(payload, dict) else None
    if not isinstance(error, dict):
        error = {"message": error}
    reason, field = error.get("message") or error.get("detail"), error.get("param")
    if isinstance(reason, dict):
        reason = reason.get("detail") or reason.get("message")
    if isinstance(reason, list):
        reason, field = _join_details(reason)
    return (
        str(error.get("code")),
        reason if isinstance(reason, str) else None,
        field if isinstance(field, str) else None,
    )


def _join_details(details: list[Any]) -> tuple[str | None, str | None]:
    """Return FastAPI's list of invalid fields as one message, and the first field."""
    places = [(_join_location(each.get("loc")), each.get("msg")) for each in details if isinstance(each, dict)]
    messages = [f"{place}: {message}" if place else message for place, message in places if isinstance(message, str)]
    return "; ".join(messages[:MAX_DETAILS]) or None, next((place for place, _ in places if place), None)


def _join_location(location: object) -> str:
    parts = location if isinstance(location, list) else []
    return ".".join(str(part) for part in parts if isinstance(part, str | int) and part != "body")


def error_from_chunk(error: object, redact: Redact = str) -> ApiError:
    """Build the error that a stream sends as its first chunk: vLLM so reports what would be a status otherwise."""
    code = error.get("code") if isinstance(error, dict) else None
    if str(code) in ("400", "413", "422"):
        return parse_bad_request(orjson.dumps({"error": error}), redact)
    return UpstreamFailed("returned an error while streaming")


def to_printable(text: str) -> str:
    """Replace unprintable characters by spaces and truncate to MAX_MESSAGE_CHARACTERS."""
    start = text[: 4 * MAX_MESSAGE_CHARACTERS]
    return " ".join("".join(c if c.isprintable() else " " for c in start).split())[:MAX_MESSAGE_CHARACTERS]


def parse_retry_after(value: str) -> int:
    """Return Retry-After in seconds, from 1 to MAX_RETRY_AFTER_SECONDS; 1 where it is no number of seconds."""
    is_number = value.isascii() and value.isdigit() and len(value) < 9
    return min(max(int(value), 1), MAX_RETRY_AFTER_SECONDS) if is_number else 1
