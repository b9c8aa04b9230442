"""Calls one of vLLM's own routes in this process: a JSON body in, a response body or a stream of events out."""

import asyncio
import logging
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import suppress
from typing import Any

import orjson
from fastapi import FastAPI
from pydantic import BaseModel, ValidationError
from starlette.types import Message, Scope
from vllm.entrypoints.serve.engine.protocol import ErrorResponse

from cogitate.server.engine import Body, Events
from cogitate.server.engine.vllm.errors import LOST_REQUEST, parse_error_response, to_api_error
from cogitate.server.errors import ApiError, UpstreamError
from cogitate.server.protocol.plain_body import PlainBody

log = logging.getLogger("cogitate.engine")
PRELIMINARY_EVENTS = (b"event: response.created", b"event: response.in_progress")
PROMPT_FIELDS = {"/v1/completions": "prompt", "/v1/responses": "input"}
CLOSE_SECONDS = 10.0
"""How long a route may take to end after its client has left."""
MAX_QUEUED_MESSAGES = 2
"""Messages of a response that wait to be read, so that a slow reader slows the route."""


async def call_route(routes: FastAPI, body: PlainBody, salt: str) -> Body | Events:
    """Return the response body, or its events where the route streams. Raises ApiError.

    Cancelling the call, or closing the stream, aborts the work of the route: it sees its client leave. (Cancelling the
    route itself would not do: vLLM's `with_cancellation` leaves its handler running then.)
    """
    call = RouteCall(routes, build_scope(body), body.to_engine(salt))
    try:
        start = await call.next_message()
        if is_event_stream(start):
            return RouteStream(call, await call.read_preliminary())
        content = parse_json(await call.read_rest())
    except ApiError as error:
        await call.close()
        raise name_prompt_field(body.path, error) from error
    except BaseException:
        await call.close()
        raise
    await call.close()
    if start["status"] >= 400:
        raise name_prompt_field(body.path, parse_error(content, start["status"]))
    return dict(content)


def name_prompt_field(path: str, error: ApiError) -> ApiError:
    """Name the field of the prompt as the path's API calls it."""
    if error.param == "messages":
        error.param = PROMPT_FIELDS.get(path, "messages")
    return error


class RouteCall:
    """A request to a route, from its start to the end of the response."""

    def __init__(self, routes: FastAPI, scope: Scope, body: bytes) -> None:
        self._body: bytes | None = body
        self._state: dict[str, Any] = scope["state"]
        self._left = asyncio.Event()
        """The client has left."""
        self._messages: asyncio.Queue[Message | None] = asyncio.Queue(MAX_QUEUED_MESSAGES)
        self._task = asyncio.create_task(self._run(routes, scope))

    async def _run(self, routes: FastAPI, scope: Scope) -> None:
        try:
            await routes(scope, self._receive, self._send)
        except asyncio.CancelledError:
            self._left.set()  # nobody reads any more: the end must not wait for a reader
            raise
        finally:
            if not self._left.is_set():
                await self._messages.put(None)

    async def _receive(self) -> Message:
        if self._body is not None:
            body, self._body = self._body, None
            return {"type": "http.request", "body": body, "more_body": False}
        await self._left.wait()
        return {"type": "http.disconnect"}

    async def _send(self, message: Message) -> None:
        if not self._left.is_set():
            await self._messages.put(message)

    async def next_message(self) -> Message:
        """Return the next message of the response. Raises ApiError where the route fails before it."""
        message = await self._messages.get()
        if message is None:
            await self._raise_failure()
            raise UpstreamError(LOST_REQUEST)
        return message

    async def _raise_failure(self) -> None:
        try:
            await self._task
        except ValidationError as error:
            # The request was valid: an event of vLLM's own is not among the types of its stream.
            raise UpstreamError(LOST_REQUEST) from error
        except Exception as error:
            # Starlette wraps an error that comes after the start of a response in a RuntimeError.
            cause = error.__cause__ if isinstance(error, RuntimeError) else None
            raise to_api_error(cause if isinstance(cause, Exception) else error) from error

    @property
    def usage(self) -> dict[str, Any] | None:
        """The usage that vLLM's handler has counted, once the response has ended; None where it was cut off."""
        usage = getattr(self._state.get("request_metadata"), "final_usage_info", None)
        return usage.model_dump() if isinstance(usage, BaseModel) else None

    async def read_rest(self) -> bytes:
        """Return the body of the response."""
        content, is_more = b"", True
        while is_more:
            message = await self.next_message()
            content += message.get("body", b"")
            is_more = bool(message.get("more_body"))
        return content

    async def read_preliminary(self) -> list[Message]:
        """Return the messages up to the first event of content.

        vLLM's Responses API refuses a request after its preliminary events; it still gets its status so.
        """
        messages = [await self.next_message()]
        while messages[-1].get("body", b"").startswith(PRELIMINARY_EVENTS) and messages[-1].get("more_body"):
            messages.append(await self.next_message())
        return messages

    async def stream(self, start: list[Message]) -> AsyncGenerator[str]:
        """Yield the events, from those of `start` on. Each message of vLLM's streams is complete events."""
        try:
            waiting, is_more = list(start), True
            while is_more:
                message = waiting.pop(0) if waiting else await self.next_message()
                if text := message.get("body", b"").decode():
                    yield text
                is_more = bool(message.get("more_body"))
        finally:
            await asyncio.shield(self.close())

    async def close(self) -> None:
        """End the call: what is still running is aborted, as where a client leaves."""
        self._left.set()
        while not self._messages.empty():
            self._messages.get_nowait()
        _, pending = await asyncio.wait([self._task], timeout=CLOSE_SECONDS)
        for task in pending:
            task.cancel()
        with suppress(Exception, asyncio.CancelledError):
            await self._task


class RouteStream(AsyncIterator[str]):
    """The events of a route's response, and the usage that it tells the client of on request only."""

    def __init__(self, call: RouteCall, start: list[Message]) -> None:
        self._call, self._events = call, call.stream(start)

    async def __anext__(self) -> str:
        return await anext(self._events)

    async def aclose(self) -> None:
        await self._events.aclose()

    @property
    def usage(self) -> dict[str, Any] | None:
        return self._call.usage


def build_scope(body: PlainBody) -> Scope:
    return {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "POST",
        "scheme": "http",
        "path": body.path,
        "raw_path": body.path.encode(),
        "query_string": b"",
        "root_path": "",
        "headers": [(b"content-type", b"application/json"), *body.headers],
        "client": None,
        "server": None,
        "state": {},
    }


def is_event_stream(start: Message) -> bool:
    types = [value for name, value in start["headers"] if name.lower() == b"content-type"]
    return start["status"] < 400 and any(value.startswith(b"text/event-stream") for value in types)


def parse_json(body: bytes) -> Any:  # noqa: ANN401 JSON
    """Parse a response; None for what is no JSON, as an error that no handler of vLLM's has rendered."""
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        return None


def parse_error(content: Any, status: int) -> ApiError:  # noqa: ANN401 JSON
    """Convert the body of an error response, of vLLM's own or of its Anthropic routes'."""
    error = {
        "message": "",
        "type": "",
        "code": status,
        **(content.get("error", {}) if isinstance(content, dict) else {}),
    }
    if isinstance(param := error.get("param"), str):
        error["param"] = param.removeprefix("body.")
    return parse_error_response(ErrorResponse.model_validate({"error": error}))
