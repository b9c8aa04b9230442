"""A server, asked over its own API: patient with one that is busy, plain about one that refuses."""

import asyncio
import time
from typing import Any

import httpx

from cogitate.server.errors import ContextTooLong
from cogitate.server.evaluation.told import Failure, Models, Refused, Told, TooLong

BUSY = frozenset({429, 500, 502, 503, 504})
TRIES = 8


class Client:
    def __init__(self, url: str, key: str | None = None, transport: httpx.AsyncBaseTransport | None = None) -> None:
        """`url`: with or without /v1. `transport`: how it is reached, where that is not the network."""
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        base = url.rstrip("/").removesuffix("/v1")
        limits = httpx.Limits(max_connections=None)
        self._http = httpx.AsyncClient(
            base_url=base, headers=headers, timeout=3600, limits=limits, transport=transport, trust_env=False
        )

    async def __aenter__(self) -> "Client":
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._http.aclose()

    async def model(self) -> str:
        """The name of what it serves. Raises Refused."""
        listed, _ = await self._asked("GET", "/v1/models", None)
        return Models.of(listed).data[0].id.split("@")[0]

    async def chat(self, body: dict[str, Any]) -> tuple[Told, float]:
        """And the seconds that it took, without what was waited for before. Raises Refused, TooLong."""
        answer, seconds = await self._asked("POST", "/v1/chat/completions", body)
        return Told.of(answer), seconds

    async def _asked(self, method: str, path: str, body: dict[str, Any] | None) -> tuple[bytes, float]:
        said = ""
        for attempt in range(TRIES):
            began = time.monotonic()
            try:
                response = await self._http.request(method, path, json=body)
            except httpx.TransportError as error:
                said = f"{type(error).__name__}: {error}"
            else:
                if response.is_success:
                    return response.content, time.monotonic() - began
                said = f"{response.status_code}: {response.text[:300]}"
                if response.status_code == 400 and Failure.code_of(response.content) == ContextTooLong.code:
                    raise TooLong(said)
                if response.status_code not in BUSY:
                    break
            await asyncio.sleep(min(2**attempt, 30) / 4)
        raise Refused(said)
