"""Cancels requests, and asks for their answers, in all server processes that share a Redis."""

from dataclasses import dataclass, field

import orjson

from cogitate.server.auth.caller import Caller
from cogitate.server.cache import BoundedCache, PeerRpc
from cogitate.server.serving.jobs import Jobs

MAX_ASKED, ASKED_SECONDS = 1024, 600
"""How many requests that were asked a process remembers, and how long: a repeated call succeeds like the first."""
MAX_KEYS = 16
"""Cache keys in a message."""


@dataclass(frozen=True, slots=True)
class Peers:
    """A message names tenant and request id: in every process it reaches only requests of that tenant."""

    rpc: PeerRpc
    jobs: Jobs
    asked: BoundedCache[tuple[str, str], bool] = field(default_factory=lambda: BoundedCache(MAX_ASKED, ASKED_SECONDS))
    """Tenant and id of the requests of this process whose answer was asked for."""

    async def cancel(self, caller: Caller) -> bool:
        """Cancels the tenant's requests of this id in every process. Returns whether there were any."""
        count = self.jobs.cancel(*caller.name)
        elsewhere = await self.rpc.call(orjson.dumps(["cancel", *caller.name]))
        return bool(count) or elsewhere

    async def answer_now(self, caller: Caller) -> bool:
        """Ends the searches of the tenant's requests of this id in every process with their best so far.

        Returns whether there are any, or were any that were asked before.
        """
        is_here = self._ask(*caller.name)
        elsewhere = await self.rpc.call(orjson.dumps(["answer", *caller.name]))
        return is_here or elsewhere

    async def serve(self) -> None:
        """Handles the messages of other processes until cancelled."""
        await self.rpc.serve(self._handle)

    def _ask(self, tenant: str, request_id: str) -> bool:
        """Asks this process's requests of this id, and the searches of other processes that they wait for."""
        if jobs := self.jobs.ask(tenant, request_id):
            self.asked.put((tenant, request_id), True)
            if keys := [job.key for job in jobs if job.key][:MAX_KEYS]:
                self.jobs.run_in_background(self._ask_for_keys(keys))
        return self.asked.get((tenant, request_id)) is not None

    async def _ask_for_keys(self, keys: list[str]) -> None:
        await self.rpc.call(orjson.dumps(["answer keys", *keys]))

    def _handle(self, payload: bytes) -> bool:
        try:
            message = orjson.loads(payload)
        except orjson.JSONDecodeError:
            return False
        match message:
            case ["cancel", str(tenant), str(request_id)]:
                return bool(self.jobs.cancel(tenant, request_id))
            case ["answer", str(tenant), str(request_id)]:
                return self._ask(tenant, request_id)
            case ["answer keys", *keys]:
                self.jobs.ask_by_key(keys)
        return False
