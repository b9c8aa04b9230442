"""GET /v1/models, /v1/models/{id}, /v1/strategies: what is served here."""

from dataclasses import asdict

from fastapi import APIRouter, Request

from cogitate.server.engine import Body, ModelCard
from cogitate.server.errors import ModelNotFound
from cogitate.server.serving.service import Service
from cogitate.strategies import STRATEGIES
from cogitate.strategies.core.advice import ADVICE

router = APIRouter()


@router.get("/v1/models", summary="The model, and one virtual model for each strategy and each preset")
async def models(request: Request) -> Body:
    return {"object": "list", "data": _cards(request)}


@router.get("/v1/models/{name:path}", summary="One of them")
async def model(name: str, request: Request) -> Body:
    for card in _cards(request):
        if card["id"] == name:
            return card
    raise ModelNotFound(f"The model `{name[:256]}` does not exist or you do not have access to it.", param="model")


@router.get(
    "/v1/strategies",
    summary="Every strategy: its paper, what it is for and not for, its cost, the schema of its options",
)
async def strategies() -> Body:
    return {
        "object": "list",
        "data": [
            {
                "name": name,
                "summary": (strategy.__doc__ or "").strip(),
                "paper": strategy.paper,
                **asdict(ADVICE[name]),
                "version": strategy.version,
                "schema": strategy.model_json_schema(),
            }
            for name, strategy in STRATEGIES.items()
        ],
    }


def _cards(request: Request) -> list[Body]:
    service: Service = request.app.state.service
    service.check_ready()
    card = service.backend.card
    names = (*STRATEGIES, *service.settings.presets)
    return [_card(card, card.name), *(_card(card, f"{card.name}@{name}") for name in names)]


def _card(card: ModelCard, name: str) -> Body:
    return {
        "id": name,
        "object": "model",
        "created": card.created,
        "owned_by": "cogitate",
        "max_model_len": card.max_model_len,
    }
