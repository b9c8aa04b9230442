"""Our routes attached to an engine's own application: which of its routes a body may still be passed on to."""

import pytest
from fastapi import FastAPI

from cogitate.server.api.routers import attach_routes


async def answer_by_the_engine() -> dict[str, str]:
    return {"by": "engine"}


@pytest.mark.parametrize(("path", "is_passed_on"), [("/v1/chat/completions", True), ("/v1/decisions", False)])
def test_route_of_the_engine_is_replaced_and_passed_on_to_only_where_a_strategy_selects(path, is_passed_on):
    app = FastAPI()
    app.add_api_route(path, answer_by_the_engine, methods=["POST"])
    earlier = {route.path: engine for route, engine in attach_routes(app) if "POST" in route.methods}
    assert (earlier[path] is not None) == is_passed_on
    ours = [route for route in app.routes if getattr(route, "path", None) == path]
    assert len(ours) == 1 and ours[0].endpoint is not answer_by_the_engine
