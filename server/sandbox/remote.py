"""The Programs port over an executor behind a Unix socket, so that this process needs no right to run anything."""

import asyncio
import logging
from collections.abc import Sequence
from contextlib import suppress
from typing import TypeVar

from pydantic import TypeAdapter, ValidationError

from cogitate.server.sandbox.limits import Limits
from cogitate.server.sandbox.local import refusal
from cogitate.server.sandbox.rpc import RAN, REQUEST, TESTED, BadMessage, Run, TestAll, receive, send
from cogitate.strategies.core.programs import Ran, Tested

PATIENCE = 60.0
"""Seconds that an executor may take beyond the run itself, which may have to wait for its turn."""
T = TypeVar("T", Ran, Tested)
_log = logging.getLogger("cogitate.sandbox")


class NoAnswer(Exception):
    """The executor cannot be reached, or said something that it should not."""


class RemotePrograms:
    """The executor holds its own limits; these only save it what it would refuse."""

    def __init__(self, path: str, limits: Limits, patience: float = PATIENCE) -> None:
        self._path, self._limits, self._patience = path, limits, patience

    async def run(self, source: str, *, stdin: str = "") -> Ran:
        if why := refusal(self._limits, source, stdin):
            return Ran("", "refused", 0.0, why)
        try:
            return await self._asked(Run(source, stdin), RAN)
        except NoAnswer as error:
            return Ran("", "refused", 0.0, str(error))

    async def test(self, source: str, tests: Sequence[str]) -> Tested:
        failed = (False,) * len(tests)
        if why := refusal(self._limits, source, *tests):
            return Tested(failed, "refused", 0.0, why)
        try:
            answer = await self._asked(TestAll(source, tuple(tests)), TESTED)
        except NoAnswer as error:
            return Tested(failed, "refused", 0.0, str(error))
        return answer if len(answer.passed) == len(tests) else Tested(failed, "error", answer.seconds)

    async def _asked(self, request: Run | TestAll, answer: TypeAdapter[T]) -> T:
        try:
            async with asyncio.timeout(self._limits.wall + self._patience):
                return answer.validate_json(await self._exchanged(REQUEST.dump_json(request)), strict=True)
        except (BadMessage, ValidationError, TimeoutError) as error:
            raise self._lost("gave no answer", error) from error
        except OSError as error:
            raise self._lost(f"cannot be reached: {error.strerror}", error) from error

    def _lost(self, what: str, error: Exception) -> NoAnswer:
        _log.warning("the executor at %s %s (%s)", self._path, what, type(error).__name__)
        return NoAnswer(f"the executor {what}")

    async def _exchanged(self, request: bytes) -> bytes:
        reader, writer = await asyncio.open_unix_connection(self._path)
        try:
            await send(writer, request)
            return await receive(reader)
        finally:
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()
