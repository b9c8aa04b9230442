"""HTTP client of an OpenAI-compatible server: retries while the server is busy, and validates its responses."""

import asyncio
import time
from typing import Any, TypeVar

import httpx
from pydantic import BaseModel, ValidationError

from cogitate.server.errors import ContextTooLong
from cogitate.server.evaluation.errors import CannotEvaluate
from cogitate.server.protocol.chat_response import ChatCompletion
from cogitate.server.protocol.error import ErrorResponse
from cogitate.server.protocol.listing import ModelList

RETRIED_STATUSES = frozenset({429, 500, 502, 503, 504})
MAX_ATTEMPTS = 8
REQUEST_TIMEOUT_SECONDS = 3600
MAX_ERROR_CHARACTERS = 300
"""Of a response's body that an error message quotes."""
M = TypeVar("M", bound=BaseModel)


class RequestFailed(CannotEvaluate):
    """The server returned an error or a malformed response, or could not be reached."""


class PromptTooLong(RequestFailed):
    """The prompt does not fit into the model's context."""


class Client:
    """Sends requests to one server. An async context manager, which closes its connections."""

    def __init__(self, url: str, key: str | None = None, transport: httpx.AsyncBaseTransport | None = None) -> None:
        """`url`: with or without /v1. `transport`: replaces the network, for tests."""
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        self._http = httpx.AsyncClient(
            base_url=url.rstrip("/").removesuffix("/v1"),
            headers=headers,
            timeout=REQUEST_TIMEOUT_SECONDS,
            limits=httpx.Limits(max_connections=None),
            transport=transport,
            trust_env=False,
        )

    async def __aenter__(self) -> "Client":
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._http.aclose()

    async def model(self) -> str:
        """Return the name of the first model that the server lists. Raises RequestFailed."""
        content, _ = await self._request("GET", "/v1/models", None)
        models = parse_response(ModelList, content).data
        if not models:
            raise RequestFailed("the server lists no models")
        return models[0].id.split("@")[0]

    async def chat(self, body: dict[str, Any]) -> tuple[ChatCompletion, float]:
        """Return the response and the seconds that it took, without earlier attempts.

        Raises RequestFailed, PromptTooLong.
        """
        content, seconds = await self._request("POST", "/v1/chat/completions", body)
        return parse_response(ChatCompletion, content), seconds

    async def _request(self, method: str, path: str, body: dict[str, Any] | None) -> tuple[bytes, float]:
        failure = ""
        for attempt in range(MAX_ATTEMPTS):
            began = time.monotonic()
            try:
                response = await self._http.request(method, path, json=body)
            except httpx.TransportError as error:
                failure = f"{type(error).__name__}: {error}"
            else:
                if response.is_success:
                    return response.content, time.monotonic() - began
                failure = f"{response.status_code}: {response.text[:MAX_ERROR_CHARACTERS]}"
                if response.status_code == 400 and _error_code(response.content) == ContextTooLong.code:
                    raise PromptTooLong(failure)
                if response.status_code not in RETRIED_STATUSES:
                    break
            await asyncio.sleep(min(2**attempt, 30) / 4)
        raise RequestFailed(failure)


def parse_response(model: type[M], content: bytes) -> M:
    """Validate a response's body. Raises RequestFailed, which names the first wrong field."""
    try:
        return model.model_validate_json(content)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(map(str, first["loc"]))
        raise RequestFailed(f"the server's response is malformed: {where}: {first['msg']}") from None


def _error_code(content: bytes) -> str | int | None:
    """Return the code of OpenAI's error body; None where the body is something else."""
    try:
        return ErrorResponse.model_validate_json(content).error.code
    except ValidationError:
        return None
