"""Who decodes next. An engine runs so many generations at once; what waits for one of them is served fairly.

Tenants take turns, and of a tenant the requests take turns, so that a request of 256 samples holds up a plain chat by
one generation and not by 256. (Round-robin in both: deficit round-robin, Shreedhar and Varghese, 1995, where all work
costs one.) What is admitted is bounded in the same measure, before anything is tokenised.
"""

import asyncio
from collections import Counter, OrderedDict, deque
from dataclasses import dataclass, field

from cogitate.server.errors import Overloaded
from cogitate.strategies.core.ports import Engine, OnAbort, OnText
from cogitate.strategies.core.types import Completion, Prompt, Sampling

Queue = deque["asyncio.Future[None]"]


@dataclass(slots=True)
class Slots:
    """`capacity`: generations at once. `queue`: how many more may be admitted to wait."""

    capacity: int
    queue: int
    busy: int = 0
    admitted: int = 0
    """Generations that the requests under way may want at once."""
    _admitted_by_key: Counter[str] = field(default_factory=Counter)
    """What is admitted of a key."""
    _waiting: "OrderedDict[str, OrderedDict[str, Queue]]" = field(default_factory=OrderedDict)

    @property
    def waiting(self) -> int:
        return sum(len(queue) for requests in self._waiting.values() for queue in requests.values())

    @property
    def is_contended(self) -> bool:
        """Somebody waits."""
        return bool(self._waiting)

    def admit(self, width: int, key: str = "", most: int | None = None) -> None:
        """Takes in a request that may want `width` generations at once; to be given back by `leave`.

        `most`: what the key may have in flight, which no request alone exceeds. Raises Overloaded. A request wider than
        all there is may come when it is alone.
        """
        if most is not None and self._admitted_by_key[key] + width > most:
            raise Overloaded(f"This key may have {most} generations in flight, and this request wants {width} more.")
        if self.admitted and self.admitted + width > self.capacity + self.queue:
            raise Overloaded("Too many generations are in flight; try again soon.")
        self.admitted += width
        self._admitted_by_key[key] += width

    def leave(self, width: int, key: str = "") -> None:
        self.admitted -= width
        self._admitted_by_key[key] -= width
        if not self._admitted_by_key[key]:
            del self._admitted_by_key[key]

    def slot(self, tenant: str, request: str) -> "SlotLease":
        """`async with`: one generation, from its turn on until the block is left."""
        return SlotLease(self, tenant, request)

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
                self._tidy(tenant, request)
            raise

    def release(self) -> None:
        """The slot goes to the next in turn, or is free. Who has just been cancelled is passed over."""
        while self._waiting:
            tenant, requests = next(iter(self._waiting.items()))
            request, queue = next(iter(requests.items()))
            turn = queue.popleft()
            self._waiting.move_to_end(tenant)
            requests.move_to_end(request)
            self._tidy(tenant, request)
            if not turn.done():
                turn.set_result(None)
                return
        self.busy -= 1

    def _tidy(self, tenant: str, request: str) -> None:
        requests = self._waiting[tenant]
        if not requests[request]:
            del requests[request]
        if not requests:
            del self._waiting[tenant]


@dataclass(slots=True)
class SlotLease:
    slots: Slots
    tenant: str
    request: str

    async def __aenter__(self) -> None:
        await self.slots.acquire(self.tenant, self.request)

    async def __aexit__(self, *_: object) -> None:
        self.slots.release()


@dataclass(frozen=True, slots=True)
class QueuedEngine:
    """An engine whose every decode waits for its turn."""

    engine: Engine
    slots: Slots
    tenant: str
    request: str

    async def generate(
        self, prompt: Prompt, sampling: Sampling, *, on_text: OnText | None = None, on_abort: OnAbort | None = None
    ) -> Completion:
        async with self.slots.slot(self.tenant, self.request):
            return await self.engine.generate(prompt, sampling, on_text=on_text, on_abort=on_abort)
