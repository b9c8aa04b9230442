"""The authenticated caller of one request."""

from typing import NamedTuple

from cogitate.server.auth.key_limits import KeyLimits


class Caller(NamedTuple):
    """Tenant, key id, request id and limits of the client that sent a request."""

    tenant: str = ""
    key: str = ""
    """Identifies the key without revealing it: 8 hex digits of its SHA-256. Empty where no keys are configured."""
    request_id: str = ""
    limits: KeyLimits = KeyLimits()

    @property
    def name(self) -> tuple[str, str]:
        """The tenant and the request id, which together identify the request for cancellation and for its trace."""
        return self.tenant, self.request_id
