"""Cancels requests in all server processes that share a Redis."""

from dataclasses import dataclass

import orjson

from cogitate.server.auth.caller import Caller
from cogitate.server.cache import PeerRpc
from cogitate.server.serving.jobs import Jobs


@dataclass(frozen=True, slots=True)
class Peers:
    """A cancellation names tenant and request id: in every process it reaches only requests of that tenant."""

    rpc: PeerRpc
    jobs: Jobs

    async def cancel(self, caller: Caller) -> bool:
        """Cancels the tenant's requests of this id in every process. Returns whether there were any."""
        count = self.jobs.cancel(*caller.name)
        elsewhere = await self.rpc.call(orjson.dumps(["cancel", *caller.name]))
        return bool(count) or elsewhere

    async def serve(self) -> None:
        """Handles the cancellations of other processes until cancelled itself."""
        await self.rpc.serve(self._handle)

    def _handle(self, payload: bytes) -> bool:
        try:
            message = orjson.loads(payload)
        except orjson.JSONDecodeError:
            return False
        match message:
            case ["cancel", str(tenant), str(request_id)]:
                return bool(self.jobs.cancel(tenant, request_id))
        return False
