"""An answer that has begun: read within bounds, released at once when its reader leaves, held against its replica."""

from dataclasses import dataclass
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

import httpx
import orjson

from cogitate.server.engine.remote.errors import Lost
from cogitate.server.engine.remote.response_limit import MOST_BYTES
from cogitate.server.engine.remote.transport import Incoming

if TYPE_CHECKING:
    from cogitate.server.engine.remote.replica import Replica

TOO_MUCH = "sent more than an answer can be"


@dataclass(slots=True)
class Reply:
    """`async with reply:` leaving it ends the answer, and tells the replica's health how it went."""

    replica: "Replica"
    stream: Incoming
    most: int = MOST_BYTES
    """Bytes that are read of it."""
    _size: int = 0
    _open: bool = True

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType) -> None:
        self.end(error)

    def end(self, error: BaseException | None = None) -> None:
        """Closes the answer, at once where it is not complete. A reply that is forgotten is closed too."""
        if self._open:
            self._release()
            self.stream.abort()
            if error is None:
                self.replica.succeeded()
            elif isinstance(error, Lost):
                self.replica.failed(silent=error.silent)

    def __del__(self) -> None:
        if self._open:
            self._release()

    def _release(self) -> None:
        self._open = False
        self.replica.in_flight -= 1

    async def piece(self) -> bytes:
        """The next of the body, empty at its end. Raises Lost when it breaks off, falls silent, or is too long."""
        try:
            piece = await self.stream.piece()
        except httpx.TimeoutException:
            raise Lost("fell silent amid its answer", silent=True) from None
        except httpx.TransportError:
            raise Lost("broke off its answer") from None
        self._size += len(piece)
        if self._size > self.most:
            raise Lost(TOO_MUCH)
        return piece

    async def whole(self) -> bytes:
        pieces = []
        while piece := await self.piece():
            pieces.append(piece)
        return b"".join(pieces)

    async def json(self) -> Any:  # noqa: ANN401 JSON
        return parsed(await self.whole())


def parsed(text: bytes) -> Any:  # noqa: ANN401 JSON
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        raise Lost("sent what is not JSON") from None
