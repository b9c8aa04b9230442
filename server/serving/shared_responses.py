"""Responses that can be fetched later, for an hour: in this process and, over a shared cache, for all processes.

A response is stored under its tenant and id. The events of a streamed one stand beside it in numbered segments, so that
another process can follow them while they are written.
"""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from typing import Any

from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError

from cogitate.server.cache import Cache
from cogitate.server.cache.encryption import Encryption
from cogitate.server.errors import UpstreamError
from cogitate.server.protocol.json import digest, dumps
from cogitate.server.protocol.response_object import ENDED

JSON = Any
Name = tuple[str, str]
"""A tenant and the id of a response."""
TTL_SECONDS = 3600
RUNNING_SECONDS = 60
"""How long other processes see a running response without news of it: its process may have died."""
POLL_SECONDS = 0.2
IDLE_SECONDS = 15.0
"""Time without an event after which a reader is told so."""
EVENTS = TypeAdapter(list[str])


class StoredResponse(BaseModel):
    """A response, with what is needed to continue it."""

    model_config = ConfigDict(frozen=True)

    response: dict[str, JSON]
    input: list[dict[str, JSON]] = []
    """The items that it answers, including those of the responses that it continues."""
    is_streamed: bool = False
    """Whether its events are stored too."""

    @property
    def has_ended(self) -> bool:
        return self.response.get("status") in ENDED

    def update(self, response: dict[str, JSON]) -> "StoredResponse":
        """Copy it with a later state of the response."""
        return self.model_copy(update={"response": response})


class SharedResponses:
    """Responses in the cache that all processes share. With `secret`, the cache's, they are encrypted."""

    def __init__(self, cache: Cache, secret: bytes | None) -> None:
        self._cache, self._encryption = cache, Encryption(secret)

    async def put(self, name: Name, stored: StoredResponse) -> bool:
        """Return whether the cache took it: not one that is too large."""
        seconds = TTL_SECONDS if stored.has_ended else RUNNING_SECONDS
        return await self._write(_storage_key(name), dumps(stored.model_dump()), seconds)

    async def fetch(self, name: Name) -> StoredResponse | None:
        value = await self._read(_storage_key(name))
        try:
            return StoredResponse.model_validate_json(value) if value else None
        except ValidationError:
            return None

    async def put_events(self, name: Name, segment: int, events: Sequence[bytes]) -> None:
        await self._write(_storage_key(name, segment), dumps([event.decode() for event in events]), TTL_SECONDS)

    async def delete(self, name: Name) -> None:
        """Delete the response and its events."""
        await self._write(_storage_key(name), b"", 1)
        segment = 0
        while await self._fetch_events(name, segment):
            await self._write(_storage_key(name, segment), b"", 1)
            segment += 1

    async def follow(self, name: Name) -> AsyncGenerator[bytes | None]:
        """Yield every event until the response has ended, and None after IDLE_SECONDS without one.

        Raises UpstreamError where the process that makes the response has died.
        """
        segment, has_ended, idle = 0, False, 0.0
        while True:
            events = await self._fetch_events(name, segment)
            for event in events:
                yield event.encode()
            if events:
                segment, idle = segment + 1, 0.0
                continue
            if has_ended:
                return
            stored = await self.fetch(name)
            if stored is None:
                raise UpstreamError("The process that made this response has ended.")
            if has_ended := stored.has_ended:
                continue  # its last events were stored before its end
            await asyncio.sleep(POLL_SECONDS)
            if (idle := idle + POLL_SECONDS) >= IDLE_SECONDS:
                idle = 0.0
                yield None

    async def _fetch_events(self, name: Name, segment: int) -> list[str]:
        value = await self._read(_storage_key(name, segment))
        try:
            return EVENTS.validate_json(value) if value else []
        except ValidationError:
            return []

    async def _write(self, key: str, value: bytes, seconds: int) -> bool:
        return await self._cache.put(key, self._encryption.encrypt(key, value) if value else value, seconds=seconds)

    async def _read(self, key: str) -> bytes | None:
        value = await self._cache.get(key)
        return self._encryption.decrypt(key, value) if value else None


def _storage_key(name: Name, *segment: int) -> str:
    return f"response:{digest([*name, *segment]).hex()}"
