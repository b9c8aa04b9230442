"""Who asks."""

from typing import NamedTuple


class Caller(NamedTuple):
    """The tenant, which of its keys, and what this request is called."""

    tenant: str = ""
    key: str = ""
    """Tells one key from another without being it; empty where there are no keys."""
    request_id: str = ""
