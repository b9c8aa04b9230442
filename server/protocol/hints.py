"""Fields of a request that an engine without them may leave out."""

from typing import Self

from pydantic import PrivateAttr

from cogitate.server.protocol.messages import RequestModel


class HintedRequest(RequestModel):
    """A request some of whose fields the client has to send, or sends to any model.

    An engine that does not have such a field leaves it out. A limit that makes a search too expensive is not refused,
    but the search ends at the most expensive one.
    """

    _hints: frozenset[str] = PrivateAttr(default=frozenset())

    @property
    def hints(self) -> frozenset[str]:
        return self._hints

    def with_hints(self, names: frozenset[str]) -> Self:
        """Return a copy whose fields of these names are hints."""
        copy = self.model_copy()
        copy._hints = names
        return copy
