"""`GET /v1/models`, `/v1/models/{id}` and `/v1/strategies`."""

from fastapi import APIRouter, Request

from cogitate.server.api.openapi import ERRORS
from cogitate.server.engine import HasApplication, ModelCard
from cogitate.server.errors import ModelNotFound
from cogitate.server.protocol.listing import Model, ModelList, StrategyCard, StrategyList
from cogitate.server.serving.service import Service
from cogitate.strategies import STRATEGIES

router = APIRouter(responses=ERRORS)


@router.get("/v1/models", summary="The model, and one virtual model for each strategy and each preset")
async def models(request: Request) -> ModelList:
    return ModelList(data=await _build_models(request))


@router.get("/v1/models/{name:path}", summary="One of the models")
async def model(name: str, request: Request) -> Model:
    for each in await _build_models(request):
        if each.id == name:
            return each
    raise ModelNotFound(f"The model `{name[:256]}` does not exist or you do not have access to it.", param="model")


@router.get(
    "/v1/strategies",
    summary="All strategies: paper, use, cost, and the JSON schema of the options",
)
async def strategies() -> StrategyList:
    cards = [
        StrategyCard(
            name=name,
            summary=(strategy.__doc__ or "").strip(),
            paper=strategy.paper,
            when=strategy.when,
            when_not=strategy.when_not,
            cost=strategy.cost_note,
            version=strategy.version,
            schema=strategy.model_json_schema(),
        )
        for name, strategy in STRATEGIES.items()
    ]
    return StrategyList(data=cards)


async def _build_models(request: Request) -> list[Model]:
    """The models as the engine lists them, those of further upstreams, then each under every strategy and preset."""
    service: Service = request.app.state.service
    service.check_ready()
    card = service.backend.card
    models = _list_names(card)
    if isinstance(service.backend, HasApplication):
        models = [Model.model_validate(entry) for entry in await service.backend.list_models()]
    with_suffix = _list_variants(models, card, service)
    for other in filter(None, card.others.values()):
        models += (own := _list_names(other))
        with_suffix += _list_variants(own, other, service)
    return models + with_suffix


def _list_names(card: ModelCard) -> list[Model]:
    return [
        Model(id=name, created=card.created, owned_by="cogitate", max_model_len=card.max_model_len)
        for name in card.names
    ]


def _list_variants(models: list[Model], card: ModelCard, service: Service) -> list[Model]:
    return [
        Model(id=f"{one.id}@{suffix}", created=one.created, owned_by="cogitate", max_model_len=card.max_model_len)
        for one in models
        for suffix in (*STRATEGIES, *service.settings.presets)
    ]
