"""Liveness, readiness and metrics."""

from fastapi import APIRouter, Request, Response
from prometheus_client import CONTENT_TYPE_LATEST

from cogitate.server.api.openapi import ERRORS
from cogitate.server.protocol.listing import Status
from cogitate.server.serving.service import Service

router = APIRouter(responses=ERRORS)


@router.get("/health/live", summary="200 while the process serves")
async def live() -> Status:
    return Status(status="live")


@router.get("/health/ready", summary="200 when requests are accepted; 503 while loading, draining or dead")
async def ready(request: Request) -> Status:
    service: Service = request.app.state.service
    service.check_available()
    service.check_ready()
    return Status(status="ready")


@router.get(
    "/health",
    response_class=Response,
    responses={200: {"content": {"text/plain": {"schema": {"type": "string", "maxLength": 0}}}}},
    summary="vLLM's health check: 200 without a body while the engine lives; 503 while loading, draining or dead",
)
async def health(request: Request) -> Response:
    service: Service = request.app.state.service
    service.check_available()
    return Response()


@router.get(
    "/metrics",
    response_class=Response,
    responses={200: {"content": {"text/plain": {"schema": {"type": "string"}}}}},
    summary="Prometheus metrics, the engine's included",
)
async def metrics(request: Request) -> Response:
    service: Service = request.app.state.service
    return Response(await service.metrics.render(), media_type=CONTENT_TYPE_LATEST)
