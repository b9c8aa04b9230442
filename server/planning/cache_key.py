"""The cache key: a digest of everything that shapes an answer, and of nothing else."""

from cogitate.server.engine import ModelCard
from cogitate.server.planning.models import identify_models
from cogitate.server.protocol.completion import AnyRequest
from cogitate.server.protocol.decisions import DecisionRequest
from cogitate.server.protocol.json import digest
from cogitate.server.protocol.plain_body import PlainBody
from cogitate.server.protocol.responses import ResponsesRequest
from cogitate.strategies import AnyStrategy
from cogitate.strategies.core.vote_prior import VotePrior

KEY_SCHEMA_VERSION = 7
FIELDS_NOT_IN_KEY = {"stream", "stream_options", "user", "metadata", "cache", "model", "strategy"}
FIELDS_NOT_IN_KEY |= {"store", "background", "previous_response_id"}
"""Fields that do not change the answer, and those that are resolved before the key is computed."""
FIELDS_NOT_IN_PLAIN_KEY = {"stream", "stream_options", "cache", "strategy"}
"""All other fields of a plain body shape its answer, or are echoed in it."""


def compute_cache_key(
    request: AnyRequest | ResponsesRequest | DecisionRequest,
    strategy: AnyStrategy | None,
    card: ModelCard,
    tenant: str,
    prior: VotePrior | None = None,
) -> str:
    """Compute the SHA-256 of the resolved request, as 64 hex digits. It reveals nothing of the request."""
    content = {
        "schema": KEY_SCHEMA_VERSION,
        "kind": type(request).__name__,
        "tenant": tenant,
        "model": identify_model(card, request.model),
        "models": identify_models(strategy, card) if strategy else {},
        "strategy": [strategy.model_dump(mode="json"), strategy.version] if strategy else None,
        "prior": [prior.majority, prior.second, prior.others] if prior else None,
        "request": request.model_dump(mode="json", exclude_none=True, exclude=FIELDS_NOT_IN_KEY, by_alias=True),
    }
    return digest(content).hex()


def compute_plain_key(body: PlainBody, card: ModelCard, tenant: str) -> str:
    """Compute the key of a plain body, of whose fields any may shape the answer."""
    content = {
        "schema": KEY_SCHEMA_VERSION,
        "kind": body.path,
        "tenant": tenant,
        "model": identify_model(card, body.model),
        "request": {name: value for name, value in body.content.items() if name not in FIELDS_NOT_IN_PLAIN_KEY},
    }
    return digest(content).hex()


def identify_model(card: ModelCard, model: str) -> list[str | None]:
    """Return what identifies the model that a request names: by any of its names, and with the adapter."""
    name = card.resolve(model)
    return [card.name, card.revision, card.adapters.get(name)]
