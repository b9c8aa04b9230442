"""The Programs port over an executor's Unix socket, so that the server needs no right to run anything."""

import asyncio
import logging
from collections.abc import Sequence
from contextlib import suppress
from typing import TypeVar

from pydantic import TypeAdapter, ValidationError

from cogitate.server.sandbox.limits import Limits
from cogitate.server.sandbox.local import find_violation
from cogitate.server.sandbox.rpc import (
    PROGRAM_RESULT,
    REQUEST,
    UNIT_TEST_RESULT,
    BadMessage,
    RunRequest,
    UnitTestRequest,
    receive,
    send,
)
from cogitate.strategies.core.programs import ProgramResult, UnitTestResult

WAIT_TIMEOUT_SECONDS = 60.0
"""Added to the time of the run itself, which may have to wait for a free slot."""
T = TypeVar("T", ProgramResult, UnitTestResult)
_log = logging.getLogger("cogitate.sandbox")


class ExecutorError(Exception):
    """The executor cannot be reached, or sent a malformed result."""


class RemotePrograms:
    """Sends programs to an executor, which enforces limits of its own; these avoid requests that it would refuse."""

    def __init__(self, path: str, limits: Limits, timeout: float = WAIT_TIMEOUT_SECONDS) -> None:
        """`path`: of the socket. `timeout`: seconds in addition to `limits.wall`."""
        self._path, self._limits, self._timeout = path, limits, timeout

    async def run(self, source: str, *, stdin: str = "") -> ProgramResult:
        """See Programs."""
        if violation := find_violation(self._limits, source, stdin):
            return ProgramResult("", "refused", 0.0, violation)
        try:
            return await self._call(RunRequest(source, stdin), PROGRAM_RESULT)
        except ExecutorError as error:
            return ProgramResult("", "refused", 0.0, str(error))

    async def test(self, source: str, tests: Sequence[str], *, call_seconds: float | None = None) -> UnitTestResult:
        """See Programs."""
        failed = (False,) * len(tests)
        if violation := find_violation(self._limits, source, *tests):
            return UnitTestResult(failed, "refused", 0.0, violation)
        try:
            result = await self._call(UnitTestRequest(source, tuple(tests), call_seconds), UNIT_TEST_RESULT)
        except ExecutorError as error:
            return UnitTestResult(failed, "refused", 0.0, str(error))
        return result if len(result.passed) == len(tests) else UnitTestResult(failed, "error", result.seconds)

    async def _call(self, request: RunRequest | UnitTestRequest, result: TypeAdapter[T]) -> T:
        """Raises ExecutorError."""
        try:
            async with asyncio.timeout(self._limits.wall + self._timeout):
                return result.validate_json(await self._exchange(REQUEST.dump_json(request)), strict=True)
        except (BadMessage, ValidationError, TimeoutError) as error:
            raise self._log_error("returned no valid result", error) from error
        except OSError as error:
            raise self._log_error(f"cannot be reached: {error.strerror}", error) from error

    def _log_error(self, what: str, error: Exception) -> ExecutorError:
        _log.warning("the executor at %s %s (%s)", self._path, what, type(error).__name__)
        return ExecutorError(f"the executor {what}")

    async def _exchange(self, message: bytes) -> bytes:
        reader, writer = await asyncio.open_unix_connection(self._path)
        try:
            await send(writer, message)
            return await receive(reader)
        finally:
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()
