"""Sends many requests to one server at the same time."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import Any

import httpx

from tests.resilience.server_process import CHAT, HELLO, Server, body, raw

Fields = Mapping[str, Any]
QUIET_SECONDS = 1.0


def post_all(
    server: Server, requests: Iterable[Fields], concurrency: int, *, timeout: float = 60
) -> list[httpx.Response]:
    """Post chat completions, `concurrency` at a time; returns the responses in order.

    A request's `headers` field is sent as headers.
    """

    async def post(client: httpx.AsyncClient, fields: Fields) -> httpx.Response:
        payload = {name: value for name, value in fields.items() if name != "headers"}
        return await client.post(server.url + CHAT, json=HELLO | payload, headers=fields.get("headers"))

    return asyncio.run(map_requests(list(requests), post, concurrency, httpx.Timeout(timeout)))


async def map_requests(
    requests: list[Fields],
    send: Callable[[httpx.AsyncClient, Fields], Awaitable[httpx.Response]],
    concurrency: int,
    limit: httpx.Timeout,
) -> list[httpx.Response]:
    """Call `send` for each request with a shared client, `concurrency` at a time; returns the responses in order."""
    responses: list[httpx.Response | None] = [None] * len(requests)
    remaining = iter(enumerate(requests))
    limits = httpx.Limits(max_connections=None, max_keepalive_connections=concurrency)
    async with httpx.AsyncClient(timeout=limit, limits=limits) as client, asyncio.TaskGroup() as group:

        async def worker() -> None:
            for at, fields in remaining:
                responses[at] = await send(client, fields)

        for _ in range(concurrency):
            group.create_task(worker())
    return [response for response in responses if response is not None]


def post_simultaneously(
    server: Server, requests: Sequence[Fields], *headers: str, on_quiet: Callable[[], object] = lambda: None
) -> list[tuple[int, dict[str, Any], float]]:
    """Post all requests at the same moment; returns status, body, and seconds from last byte sent to last received.

    Connections are opened before, and responses are parsed after: a busy client would measure itself. `on_quiet` is
    called once no response has ended for QUIET_SECONDS.
    """

    async def post_each() -> list[tuple[bytes, float]]:
        loop = asyncio.get_running_loop()
        connections = [await asyncio.open_connection(*server.address) for _ in requests]

        async def post(at: int) -> tuple[bytes, float]:
            reader, writer = connections[at]
            sent = loop.time()
            writer.write(raw(body(**requests[at]), CHAT, "Connection: close", *headers))
            return await reader.read(-1), loop.time() - sent

        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(post(at)) for at in range(len(requests))]
            done, pending = set(tasks), set(tasks)
            while done and pending:
                done, pending = await asyncio.wait(pending, timeout=QUIET_SECONDS, return_when=asyncio.FIRST_COMPLETED)
            on_quiet()
        for _, writer in connections:
            writer.close()
        return [task.result() for task in tasks]

    results = []
    for response, seconds in asyncio.run(post_each()):
        head, _, content = response.partition(b"\r\n\r\n")
        results.append((int(head.split()[1]), json.loads(content), seconds))
    return results
