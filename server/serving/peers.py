"""What the processes over one Redis ask of each other: to end a request, and to tell its trace."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import orjson

from cogitate.server.auth.caller import Caller
from cogitate.server.cache import Line
from cogitate.server.serving.jobs import Jobs

Wish = Literal["cancel", "trace"]
DONE = b"done"


@dataclass(frozen=True, slots=True)
class Others:
    """A caller is told of by tenant and key, so that here as there it reaches only what its tenant has asked."""

    line: Line
    jobs: Jobs
    told: Callable[[Caller], bytes | None]
    """The trace that this process has."""

    async def cancel(self, caller: Caller) -> bool:
        """Ends the requests of this name in every process. Whether there were any."""
        here = self.jobs.cancel(*caller.name)
        there = await self._ask("cancel", caller)
        return bool(here or there)

    async def trace(self, caller: Caller) -> bytes | None:
        return self.told(caller) or await self._ask("trace", caller)

    async def listen(self) -> None:
        """Does what the others ask, until it is cancelled."""
        await self.line.listen(self._answer)

    async def _ask(self, wish: Wish, by: Caller) -> bytes | None:
        return await self.line.ask(orjson.dumps([wish, by.tenant, by.key, by.request_id]))

    def _answer(self, question: bytes) -> bytes | None:
        try:
            said = orjson.loads(question)
        except orjson.JSONDecodeError:
            return None
        match said:
            case ["cancel", str(tenant), str(), str(name)]:
                return DONE if self.jobs.cancel(tenant, name) else None
            case ["trace", str(tenant), str(key), str(name)]:
                return self.told(Caller(tenant, key, name))
        return None
