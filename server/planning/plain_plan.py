"""Plans a plain body for vLLM's own handlers: what a key may do, what it may cost, whether its answer is cached."""

from collections.abc import Iterable
from typing import get_args

from cogitate.server.auth.caller import Caller
from cogitate.server.engine import ModelCard
from cogitate.server.errors import UnsupportedParameter
from cogitate.server.flags.http import SharedField
from cogitate.server.planning.cache_key import compute_plain_key
from cogitate.server.planning.compatibility import check_plain_width
from cogitate.server.planning.copies import separate_body_copies
from cogitate.server.planning.cost import DEFAULT_RAW_MAX_TOKENS, build_cost_error
from cogitate.server.planning.media import check_media
from cogitate.server.planning.plan import Plan
from cogitate.server.planning.request_plan import NO_SEED, bound_plain_answer, new_answer_id
from cogitate.server.protocol.plain_body import PlainBody
from cogitate.server.settings import Settings

SHARED_FIELDS = frozenset(get_args(SharedField))
"""Fields that reach past one request. Where keys divide tenants they are refused, unless --allow-field names them."""


def build_body_plan(body: PlainBody, card: ModelCard, settings: Settings, caller: Caller) -> Plan:
    """Raises ApiError for a field that the key may not use, and for a cost or width above its limits."""
    if body.budget is not None:
        raise UnsupportedParameter("budget needs a strategy; a plain request is bounded by max_tokens.", param="budget")
    check_cache_field(body)
    check_media(body, card)
    if settings.api_keys_file is not None:
        check_shared_fields(body, settings.allow_field)
    body, copies = separate_body_copies(body)
    body, cost, width = limit_cost(body, card, settings, caller)
    repeats = body.temperature == 0 or body.seed not in (None, NO_SEED)
    is_cacheable = repeats and body.cache != "no-store" and not body.stream
    return Plan(
        request=body,
        model=body.model,
        strategy=None,
        width=width,
        cost=cost,
        key=compute_plain_key(body if copies == 1 else body.with_n(copies), card, caller.tenant)
        if is_cacheable
        else None,
        caller=caller,
        abilities=card.abilities,
        served_model=card.resolve(body.model),
        copies=copies,
        id=new_answer_id(body),
    )


def check_cache_field(body: PlainBody) -> None:
    if body.cache not in ("default", "no-store", "refresh"):
        raise UnsupportedParameter("cache must be default, no-store or refresh.", param="cache")


def check_shared_fields(body: PlainBody, allowed: Iterable[str]) -> None:
    """Raises UnsupportedParameter for a field that could reach what other tenants sent."""
    for name in sorted(SHARED_FIELDS.difference(allowed).intersection(body.content)):
        if body.content[name] is not None:
            raise UnsupportedParameter(
                f"{name} reaches past this request, and API keys divide this server's users: the operator can allow it "
                f"with --allow-field {name}.",
                param=name,
            )


def limit_cost(body: PlainBody, card: ModelCard, settings: Settings, caller: Caller) -> tuple[PlainBody, int, int]:
    """Return the body, its cost in tokens and its number of generations.

    Without a limit of its own an answer may fill the context. Where that costs too much, it is given a limit.
    """
    max_cost = min(settings.max_cost, caller.limits.cost or settings.max_cost)
    width, context = body.n * body.width, card.max_model_len
    if caller.limits.generations is not None:
        check_plain_width(body, width, caller.limits.generations)
    default = DEFAULT_RAW_MAX_TOKENS if body.path == "/v1/completions" else context
    limit, cost = bound_plain_answer(body.limit, default, width, context, max_cost)
    if limit is not None and limit != body.limit:
        body = body.with_limit(limit)
    if cost > max_cost:
        raise build_cost_error(cost, max_cost, body.limit_field)
    return body, cost, width
