"""Cancels requests, asks for their answers, and deletes responses, in all server processes that share a Redis."""

from collections.abc import Callable
from dataclasses import dataclass, field

import orjson

from cogitate.server.auth.caller import Caller
from cogitate.server.cache import BoundedCache, PeerRpc
from cogitate.server.serving.jobs import Jobs

MAX_ASKED, ASKED_SECONDS = 1024, 600
"""How many requests that were asked a process remembers, and how long: a repeated call succeeds like the first."""
MAX_KEYS = 16
"""Cache keys in a message."""

Handler = Callable[[str, str], bool]
"""Handles a message about a tenant and an id; returns whether it concerned this process."""


@dataclass(frozen=True, slots=True)
class Peers:
    """A message names tenant and request id: in every process it reaches only what is that tenant's."""

    rpc: PeerRpc
    jobs: Jobs
    asked: BoundedCache[tuple[str, str], bool] = field(default_factory=lambda: BoundedCache(MAX_ASKED, ASKED_SECONDS))
    """Tenant and id of the requests of this process whose answer was asked for."""
    handlers: dict[str, Handler] = field(default_factory=dict)
    """Of further messages, by kind."""

    async def cancel(self, caller: Caller) -> bool:
        """Cancel the tenant's requests of this id in every process. Returns whether there were any."""
        count = self.jobs.cancel(*caller.name)
        elsewhere = await self.call("cancel", caller.name)
        return bool(count) or elsewhere

    async def answer_now(self, caller: Caller) -> bool:
        """End the searches of the tenant's requests of this id in every process with their best so far.

        Returns whether there are any, or were any that were asked before.
        """
        is_here = self._ask(*caller.name)
        elsewhere = await self.call("answer", caller.name)
        return is_here or elsewhere

    async def call(self, kind: str, name: tuple[str, str]) -> bool:
        """Send a message to every other process. Returns whether it concerned one."""
        return await self.rpc.call(orjson.dumps([kind, *name]))

    async def serve(self) -> None:
        """Handle the messages of other processes until cancelled."""
        await self.rpc.serve(self._handle)

    def _ask(self, tenant: str, request_id: str) -> bool:
        """Ask this process's requests of this id, and the searches of other processes that they wait for."""
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
            case [str(kind), str(tenant), str(name)] if kind in self.handlers:
                return self.handlers[kind](tenant, name)
        return False
