"""A stored response of this process, and the events of a streamed one."""

from collections.abc import AsyncGenerator
from dataclasses import dataclass, field

from cogitate.server.protocol.json import dumps
from cogitate.server.serving.shared_responses import IDLE_SECONDS, Name, StoredResponse
from cogitate.strategies.core.event_log import Cursor, EventLog

MAX_SEGMENT_BYTES = 256 * 1024
"""Size from which on further events go to a segment of their own."""
ENTRY_OVERHEAD_BYTES = 512
EVENT_OVERHEAD_BYTES = 192
"""Memory of an entry, and of an event, besides its text."""


@dataclass(slots=True, eq=False)
class LocalResponse:
    """A response that this process makes or has made."""

    name: Name
    stored: StoredResponse
    events: EventLog[bytes] = field(default_factory=EventLog)
    """Empty unless the response is streamed; closed once it has ended."""
    event_bytes: int = 0
    is_deleted: bool = False

    def add(self, event: bytes) -> int:
        """Add an event; returns its size in memory."""
        if not self.stored.is_streamed:
            self.events.wake()
            return 0
        self.events.emit(event)
        size = len(event) + EVENT_OVERHEAD_BYTES
        self.event_bytes += size
        return size

    def take_segment(self, cursor: Cursor) -> list[bytes]:
        """Return the next events, as many as go into one value of the shared cache."""
        taken, size = list[bytes](), 0
        while size < MAX_SEGMENT_BYTES and (event := self.events.next_event(cursor)) is not None:
            taken.append(event)
            size += len(event)
        return taken

    def has_news(self, cursor: Cursor, stored: StoredResponse) -> bool:
        """Whether there is more than what was read up to the cursor, and than this state."""
        return self.events.closed or self.stored is not stored or cursor.index < self.events.count

    async def follow(self) -> AsyncGenerator[bytes | None]:
        """Yield every event until the response has ended, and None after IDLE_SECONDS without one."""
        cursor = Cursor()
        while True:
            while (event := self.events.next_event(cursor)) is not None:
                yield event
            if self.events.closed:
                return
            if not await self.events.wait(IDLE_SECONDS):
                yield None

    async def wait_for_end(self) -> None:
        while not self.events.closed:
            await self.events.wait()

    @property
    def size(self) -> int:
        """Bytes of memory."""
        return ENTRY_OVERHEAD_BYTES + len(dumps(self.stored.model_dump())) + self.event_bytes
