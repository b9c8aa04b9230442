"""The cache key: a digest of everything that shapes an answer, and of nothing else."""

from cogitate.server.engine import ModelCard
from cogitate.server.protocol.completion import AnyRequest
from cogitate.server.protocol.json import digest
from cogitate.server.protocol.responses import ResponsesRequest
from cogitate.strategies import AnyStrategy

KEY_SCHEMA_VERSION = 4
FIELDS_NOT_IN_KEY = {"stream", "stream_options", "user", "metadata", "cache", "model", "strategy"}
"""Fields that do not change the answer, and those that are resolved before the key is computed."""


def compute_cache_key(
    request: AnyRequest | ResponsesRequest, strategy: AnyStrategy | None, card: ModelCard, tenant: str
) -> str:
    """Compute the SHA-256 of the resolved request, as 64 hex digits. It reveals nothing of the request."""
    content = {
        "schema": KEY_SCHEMA_VERSION,
        "kind": type(request).__name__,
        "tenant": tenant,
        "model": [card.name, card.revision],
        "strategy": [strategy.model_dump(mode="json"), strategy.version] if strategy else None,
        "request": request.model_dump(mode="json", exclude_none=True, exclude=FIELDS_NOT_IN_KEY, by_alias=True),
    }
    return digest(content).hex()
