"""The protocol between a server and an executor: one connection per run, with one request and one result.

A message is 4 bytes of length, big-endian, and as many bytes of JSON. Disconnecting before the result kills the run.
"""

import asyncio
from dataclasses import dataclass
from typing import Literal

from pydantic import TypeAdapter

from cogitate.server.sandbox.limits import MIB
from cogitate.strategies.core.programs import ProgramResult, UnitTestResult

MAX_MESSAGE_BYTES = 8 * MIB
"""More than any message within the limits of a run."""


@dataclass(frozen=True, slots=True)
class RunRequest:
    """Runs a program."""

    source: str
    stdin: str
    kind: Literal["run"] = "run"


@dataclass(frozen=True, slots=True)
class UnitTestRequest:
    """Tests a candidate."""

    source: str
    tests: tuple[str, ...]
    call_seconds: float | None = None
    kind: Literal["test"] = "test"


REQUEST: TypeAdapter[RunRequest | UnitTestRequest] = TypeAdapter(RunRequest | UnitTestRequest)
PROGRAM_RESULT = TypeAdapter(ProgramResult)
UNIT_TEST_RESULT = TypeAdapter(UnitTestResult)


class BadMessage(Exception):
    """A message is too long, or the connection ended within it."""


async def receive(reader: asyncio.StreamReader) -> bytes:
    """Read one message. Raises BadMessage."""
    try:
        size = int.from_bytes(await reader.readexactly(4), "big")
        if size > MAX_MESSAGE_BYTES:
            raise BadMessage(f"a message of {size} bytes; at most {MAX_MESSAGE_BYTES} are allowed")
        return await reader.readexactly(size)
    except (asyncio.IncompleteReadError, ConnectionError) as error:
        raise BadMessage("the connection ended within a message") from error


async def send(writer: asyncio.StreamWriter, message: bytes) -> None:
    """Write one message."""
    writer.write(len(message).to_bytes(4, "big") + message)
    await writer.drain()
