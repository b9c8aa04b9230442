"""Our routes attached to an engine's own application: which of its routes a body may still be passed on to."""

import httpx
import pytest
from fastapi import FastAPI

from cogitate.server.api.page import docs
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


def find_endpoint(app: FastAPI, path: str) -> object:
    """The endpoint that answers a path: that of the first route that has it."""
    return next((route.endpoint for route in app.routes if getattr(route, "path", None) == path), None)


def test_docs_of_the_engine_are_replaced_by_ours_and_stay_off_where_they_are_off():
    app, without = FastAPI(), FastAPI(openapi_url=None)
    attach_routes(app)
    attach_routes(without)
    assert find_endpoint(app, "/docs") is docs and find_endpoint(without, "/docs") is None


async def test_page_is_found_behind_a_prefix():
    app = FastAPI(root_path="/models")
    attach_routes(app)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://a") as client:
        for path in ("/", "/models/", "/models/page/main.mjs", "/page/main.mjs", "/models/docs"):
            assert (await client.get(path)).status_code == 200, path
