"""The key under which samples of a search are kept: a digest of everything that shapes a single sample.

What only says how many there are and what becomes of them is no part of it: the strategy's options, `n` and `budget`.
Its name is: strategies that are compared on one question draw samples of their own.
"""

from cogitate.server.engine import ModelCard
from cogitate.server.planning.cache_key import FIELDS_NOT_IN_KEY, KEY_SCHEMA_VERSION, identify_model
from cogitate.server.planning.plan import Plan
from cogitate.server.protocol.json import digest
from cogitate.server.protocol.plain_body import PlainBody
from cogitate.strategies.core.stock import identify

FIELDS_NOT_IN_SAMPLES = FIELDS_NOT_IN_KEY | {"n", "budget"}


def compute_samples_key(plan: Plan, card: ModelCard) -> str | None:
    """Compute the key; None where samples are neither read nor kept.

    Those are: requests that are not cached, those with a seed, whose samples must be as if drawn at once, and those
    whose candidates several models draw.
    """
    request, strategy = plan.request, plan.strategy
    if plan.key is None or strategy is None or not strategy.draws_samples or isinstance(request, PlainBody):
        return None
    if plan.sampling.seed is not None or strategy.other_models.get("models"):
        return None
    sampling = plan.sampling
    content = {
        "schema": KEY_SCHEMA_VERSION,
        "kind": type(request).__name__,
        "tenant": plan.caller.tenant,
        "model": identify_model(card, request.model),
        "strategy": strategy.name,
        "prompt": identify(plan.prompt),
        "sampling": [sampling.temperature, sampling.max_tokens, sampling.logprobs],
        "request": request.model_dump(mode="json", exclude_none=True, exclude=FIELDS_NOT_IN_SAMPLES, by_alias=True),
    }
    return f"samples:{digest(content).hex()}"
