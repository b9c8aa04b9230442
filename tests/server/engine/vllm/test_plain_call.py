"""Calls of a route in this process: bodies, streams, errors, and a client that leaves."""

import asyncio
from collections.abc import AsyncIterator

import pytest

pytest.importorskip("vllm")

from fastapi import FastAPI, Request  # noqa: E402
from fastapi.responses import JSONResponse, Response, StreamingResponse  # noqa: E402

from cogitate.server.engine.vllm.plain_call import call_route  # noqa: E402
from cogitate.server.errors import ApiError  # noqa: E402
from cogitate.server.protocol.plain_body import PlainBody  # noqa: E402

PATH = "/v1/chat/completions"


async def events(kind: str, log: list[str]) -> AsyncIterator[bytes]:
    try:
        for number in range(3):
            yield f"data: {number}\n\n".encode()
            if kind == "broken" and number == 1:
                raise ValueError("the prompt is wrong")
            if kind == "endless":
                await asyncio.sleep(60)
    finally:
        log.append("closed")


async def respond(request: Request, how: str, log: list[str]) -> Response:
    match how:
        case "error":
            return JSONResponse({"error": {"message": "no", "type": "BadRequestError", "param": "n", "code": 400}}, 400)
        case "wait":
            while (await request.receive())["type"] != "http.disconnect":
                pass
            log.append("left")
            return JSONResponse(None)
        case "raise":
            raise ValueError("it is wrong")
        case "json":
            return JSONResponse({"id": 1, "header": request.headers.get("x-own")})
        case _:
            return StreamingResponse(events(how, log), media_type="text/event-stream")


def build_routes(log: list[str]) -> FastAPI:
    """Routes that answer as vLLM's do; the body says how."""
    routes = FastAPI()

    @routes.post(PATH)
    async def answer(request: Request) -> Response:
        body = await request.json()
        log.append(str(body))
        return await respond(request, body["how"], log)

    return routes


def body(how: str, path: str = PATH) -> PlainBody:
    return PlainBody(path, {"how": how}, ((b"x-own", b"yes"),))


async def test_body_and_headers_reach_the_route_and_its_json_comes_back():
    log: list[str] = []
    assert await call_route(build_routes(log), body("json"), "pepper") == {"id": 1, "header": "yes"}
    assert log == ["{'how': 'json', 'cache_salt': 'pepper'}"]


async def test_stream_comes_event_by_event():
    stream = await call_route(build_routes([]), body("stream"), "")
    assert [event async for event in stream] == ["data: 0\n\n", "data: 1\n\n", "data: 2\n\n"]


@pytest.mark.parametrize(("how", "status", "param"), [("error", 400, "n"), ("raise", 502, None)])
async def test_error_of_the_route_is_an_api_error(how, status, param):
    with pytest.raises(ApiError) as failure:
        await call_route(build_routes([]), body(how), "")
    assert (failure.value.status, failure.value.param) == (status, param)


async def test_stream_that_breaks_raises_after_its_first_events():
    stream = await call_route(build_routes([]), body("broken"), "")
    with pytest.raises(ApiError):
        assert [event async for event in stream]


async def test_cancelled_call_is_a_client_that_leaves():
    log: list[str] = []
    call = asyncio.create_task(call_route(build_routes(log), body("wait"), ""))
    await asyncio.sleep(0.1)
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    assert log[-1] == "left"


async def test_call_that_nobody_reads_ends_when_its_loop_is_shut_down():
    log: list[str] = []
    stream = await call_route(build_routes(log), body("stream"), "")
    await asyncio.sleep(0.1)  # the route waits for a reader
    (running,) = [task for task in asyncio.all_tasks() if "RouteCall._run" in repr(task)]
    running.cancel()
    done, _ = await asyncio.wait([running], timeout=2)
    assert done
    await stream.aclose()


async def test_closed_stream_ends_the_route():
    log: list[str] = []
    stream = await call_route(build_routes(log), body("endless"), "")
    async for _ in stream:
        break
    await stream.aclose()
    assert log[-1] == "closed"
