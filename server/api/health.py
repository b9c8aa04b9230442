"""Liveness, readiness and metrics."""

from fastapi import APIRouter, Request, Response
from prometheus_client import CONTENT_TYPE_LATEST

from cogitate.server.engine import Body
from cogitate.server.serving.service import Service

router = APIRouter()


@router.get("/health/live", summary="200 while the process serves")
async def live() -> Body:
    return {"status": "live"}


@router.get("/health/ready", summary="200 when requests are taken; 503 while loading, draining or dead")
async def ready(request: Request) -> Body:
    service: Service = request.app.state.service
    service.check_ready()
    return {"status": "ready"}


@router.get("/health", summary="The same as /health/ready")
async def health(request: Request) -> Body:
    return await ready(request)


@router.get("/metrics", summary="Prometheus metrics, the engine's included")
async def metrics(request: Request) -> Response:
    service: Service = request.app.state.service
    load, ours = service.backend.load(), service.metrics
    ours.running.set(load.running)
    ours.waiting.set(load.waiting + service.slots.waiting)
    ours.in_flight.set(len(service.jobs.live))
    ours.stalled.set(service.watchdog.stalled)
    ours.ready.set(service.ready and not service.jobs.draining and not service.watchdog.stalled)
    return Response(ours.exposition(), media_type=CONTENT_TYPE_LATEST)
