"""A fair queue for generation slots: round-robin over tenants, then over the requests of a tenant.

An engine runs a limited number of generations at once. Because of the turns, a request for 256 samples delays a plain
chat by one generation and not by 256. (Deficit round-robin, Shreedhar and Varghese, 1995, in the case that all work
costs one.) Admission is bounded in generations too, before anything is tokenised.
"""

import asyncio
from collections import OrderedDict, deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from cogitate.server.errors import Overloaded
from cogitate.strategies.core.ports import Engine, OnAbort, OnText
from cogitate.strategies.core.prompt import Prompt
from cogitate.strategies.core.types import Completion, Sampling

Queue = deque["asyncio.Future[None]"]


@dataclass(slots=True)
class Slots:
    """`capacity`: how many generations run at once. `queue`: how many more may be admitted to wait."""

    capacity: int
    queue: int
    busy: int = 0
    admitted: int = 0
    """How many generations the admitted requests may want at once."""
    _waiting: "OrderedDict[str, OrderedDict[str, Queue]]" = field(default_factory=OrderedDict)
    """Waiting generations by tenant and request, the next in turn first."""

    @property
    def waiting(self) -> int:
        return sum(len(queue) for requests in self._waiting.values() for queue in requests.values())

    @property
    def has_waiters(self) -> bool:
        """Whether a generation waits for a slot."""
        return bool(self._waiting)

    def admit(self, width: int) -> None:
        """Admits a request that may want `width` generations at once, until `leave`.

        A request wider than capacity and queue together is admitted only where it is the only one. Raises Overloaded.
        """
        if self.admitted and self.admitted + width > self.capacity + self.queue:
            raise Overloaded("Too many generations are in flight; try again soon.", limit="server_generations")
        self.admitted += width

    def leave(self, width: int) -> None:
        """Give back what `admit` took."""
        self.admitted -= width

    @asynccontextmanager
    async def slot(self, tenant: str, request: str) -> AsyncIterator[None]:
        """Wait for the request's turn and have one slot until the block ends."""
        await self.acquire(tenant, request)
        try:
            yield
        finally:
            self.release()

    async def acquire(self, tenant: str, request: str) -> None:
        if self.busy < self.capacity and not self._waiting:
            self.busy += 1
        else:
            await self._wait_turn(tenant, request)

    async def _wait_turn(self, tenant: str, request: str) -> None:
        turn = asyncio.get_running_loop().create_future()
        queue = self._waiting.setdefault(tenant, OrderedDict()).setdefault(request, deque())
        queue.append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if not turn.cancelled():
                self.release()
            elif turn in queue:
                queue.remove(turn)
                self._drop_empty(tenant, request)
            raise

    def release(self) -> None:
        """Pass a slot to the next in turn that was not cancelled, or free it."""
        while self._waiting:
            tenant, requests = next(iter(self._waiting.items()))
            request, queue = next(iter(requests.items()))
            turn = queue.popleft()
            self._waiting.move_to_end(tenant)
            requests.move_to_end(request)
            self._drop_empty(tenant, request)
            if not turn.done():
                turn.set_result(None)
                return
        self.busy -= 1

    def _drop_empty(self, tenant: str, request: str) -> None:
        requests = self._waiting[tenant]
        if not requests[request]:
            del requests[request]
        if not requests:
            del self._waiting[tenant]


@dataclass(frozen=True, slots=True)
class QueuedEngine:
    """An engine whose every decode waits for a slot."""

    engine: Engine
    slots: Slots
    tenant: str
    request: str
    on_turn: Callable[[], None] = lambda: None
    """Called whenever a decode has its turn."""

    async def generate(
        self, prompt: Prompt, sampling: Sampling, *, on_text: OnText | None = None, on_abort: OnAbort | None = None
    ) -> Completion:
        await self.slots.acquire(self.tenant, self.request)
        try:
            self.on_turn()
            return await self.engine.generate(prompt, sampling, on_text=on_text, on_abort=on_abort)
        finally:
            self.slots.release()
