"""What goes wrong at an upstream, in our words: of its own only why a request is bad reaches a client.

Lost, Throttled and Down are both: for a search the loss of one sample, whose siblings go on; and where there is nothing
else, what the client is told.
"""

from collections.abc import Mapping

import orjson

from cogitate.server.engine.error_field import named
from cogitate.server.errors import ApiError, BadRequest, ContextTooLong, Overloaded, Unready, Upstream
from cogitate.strategies.core.ports import SampleFailed

LONGEST_MESSAGE = 500
TOO_LONG = ("maximum context length", "max_model_len", "context size", "context window", "context_length_exceeded")
LONGEST_PAUSE = 3600
NOT_THERE = "upstream_not_found"


class Lost(SampleFailed, Upstream):
    """The upstream did not give an answer that can be believed. `silent`: it may not be there at all."""

    def __init__(self, reason: str, *, silent: bool = False) -> None:
        super().__init__(f"The upstream {reason}.")
        self.silent = silent


class Throttled(SampleFailed, Overloaded):
    """Every replica that was asked has too much to do. `pause`: seconds, as the upstream said."""

    def __init__(self, pause: int) -> None:
        super().__init__("The upstream takes no more requests for now.")
        self.pause = pause
        self.headers = {"Retry-After": str(pause)}


class Down(SampleFailed, Unready):
    """No replica is to be had."""

    def __init__(self) -> None:
        super().__init__("No upstream is available.", code="upstream_down")
        self.headers = {"Retry-After": "1"}


def refusal(status: int, headers: Mapping[str, str], body: bytes) -> ApiError:
    """What a status other than 200 means."""
    if status in (400, 413, 422):
        return bad_request(body)
    if status == 429:
        return Throttled(pause(headers.get("retry-after", "")))
    if status in (401, 403):
        return Upstream("The upstream refuses this server's requests.", code="upstream_refused")
    if status in (404, 405):
        return Upstream("The upstream does not know what it was asked.", code=NOT_THERE)
    if 300 <= status < 400:
        return Lost("sent the request elsewhere, which is not followed")
    return Lost(f"answered with status {status}")


def bad_request(body: bytes) -> BadRequest:
    """The upstream's own reason, shortened and cleaned of what is not text."""
    try:
        said = orjson.loads(body)
    except orjson.JSONDecodeError:
        said = None
    error = said.get("error", said) if isinstance(said, dict) else None
    if not isinstance(error, dict):
        error = {"message": error}
    message = error.get("message") or error.get("detail")
    words = plain(message) if isinstance(message, str) else "The upstream does not take this request."
    field = error.get("param")
    param = plain(field)[:64] if isinstance(field, str) else None
    if error.get("code") in TOO_LONG or any(mark in words for mark in TOO_LONG):
        return ContextTooLong(words, param="messages")
    return BadRequest(words, param=param or named(words))


def reported(error: object) -> ApiError:
    """An error in place of a stream's first words: vLLM so tells what a status would have told."""
    code = error.get("code") if isinstance(error, dict) else None
    if code in (400, 413, 422):
        return bad_request(orjson.dumps({"error": error}))
    return Lost("reported an error amid its answer")


def plain(text: str) -> str:
    """Printable, and short."""
    return " ".join("".join(c if c.isprintable() else " " for c in text[: 4 * LONGEST_MESSAGE]).split())[
        :LONGEST_MESSAGE
    ]


def pause(said: str) -> int:
    """Retry-After in whole seconds; 1 where it says something else."""
    return min(max(int(said), 1), LONGEST_PAUSE) if said.isascii() and said.isdigit() and len(said) < 9 else 1
