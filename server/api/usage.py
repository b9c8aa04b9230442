"""`GET /v1/usage`: what the key that asks has used, and its limits."""

from fastapi import APIRouter, Request

from cogitate.server.api.openapi import ERRORS
from cogitate.server.api.request_body import caller
from cogitate.server.protocol.listing import GenerationsUsage, KeyUsage, LimitUsage
from cogitate.server.serving.service import Service

router = APIRouter(responses=ERRORS)


@router.get("/v1/usage", summary="What your key has used in the current minute and day, and its limits")
async def read_usage(request: Request) -> KeyUsage:
    service: Service = request.app.state.service
    asking = caller(request)
    counts, limits = await service.quotas.read(asking.key), asking.limits
    bounds = {
        "requests_per_minute": limits.requests_per_minute,
        "tokens_per_minute": limits.tokens_per_minute,
        "tokens_per_day": limits.tokens_per_day,
    }
    windows = {
        name: LimitUsage(
            used=max(0, counts[name].value), limit=bound, reset_seconds=round(counts[name].seconds_left, 1)
        )
        for name, bound in bounds.items()
    }
    in_flight = service.quotas.generations.get(asking.key, 0)
    return KeyUsage(
        tenant=asking.tenant,
        key=asking.key,
        generations=GenerationsUsage(in_flight=in_flight, limit=limits.generations),
        max_cost=limits.max_cost,
        **windows,
    )
