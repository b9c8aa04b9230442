"""Who asks."""

from typing import NamedTuple

from cogitate.server.auth.key_limits import Rights


class Caller(NamedTuple):
    """The tenant, which of its keys, and what this request is called."""

    tenant: str = ""
    key: str = ""
    """Tells one key from another without being it; empty where there are no keys."""
    request_id: str = ""
    rights: Rights = Rights()

    @property
    def name(self) -> tuple[str, str]:
        """What a request is found by."""
        return self.tenant, self.request_id
