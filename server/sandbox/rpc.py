"""What an executor and its clients say to each other: a connection for each run, a message each way, then the end.

A message is 4 bytes of length and as many bytes of JSON. Hanging up before the answer kills the run.
"""

import asyncio
from dataclasses import dataclass
from typing import Literal

from pydantic import TypeAdapter

from cogitate.server.sandbox.limits import MEGA
from cogitate.strategies.core.programs import Ran, Tested

MOST = 8 * MEGA
"""Bytes of one message: more than any that the limits let through."""


@dataclass(frozen=True, slots=True)
class Run:
    source: str
    stdin: str
    kind: Literal["run"] = "run"


@dataclass(frozen=True, slots=True)
class TestAll:
    source: str
    tests: tuple[str, ...]
    kind: Literal["test"] = "test"


REQUEST: TypeAdapter[Run | TestAll] = TypeAdapter(Run | TestAll)
RAN = TypeAdapter(Ran)
TESTED = TypeAdapter(Tested)


class BadMessage(Exception):
    """It is too long, or ends too early."""


async def receive(reader: asyncio.StreamReader) -> bytes:
    """Raises BadMessage."""
    try:
        size = int.from_bytes(await reader.readexactly(4), "big")
        if size > MOST:
            raise BadMessage(f"a message of {size} bytes")
        return await reader.readexactly(size)
    except (asyncio.IncompleteReadError, ConnectionError) as error:
        raise BadMessage("the connection ended within a message") from error


async def send(writer: asyncio.StreamWriter, message: bytes) -> None:
    writer.write(len(message).to_bytes(4, "big") + message)
    await writer.drain()
