"""Many requests at once, against one server."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any

import httpx

from tests.faults.rig import CHAT, HELLO, Server

Fields = Mapping[str, Any]


def crowd(server: Server, asks: Iterable[Fields], at_once: int, *, timeout: float = 60) -> list[httpx.Response]:
    """The answers to all, in order, `at_once` in flight."""

    async def one(client: httpx.AsyncClient, fields: Fields) -> httpx.Response:
        headers = fields.get("headers")
        said = {name: value for name, value in fields.items() if name != "headers"}
        return await client.post(server.url + CHAT, json=HELLO | said, headers=headers)

    return asyncio.run(pooled([dict(fields) for fields in asks], one, at_once, httpx.Timeout(timeout)))


async def pooled(
    asks: list[Fields],
    one: Callable[[httpx.AsyncClient, Fields], Awaitable[httpx.Response]],
    at_once: int,
    patience: httpx.Timeout,
) -> list[httpx.Response]:
    answers: list[httpx.Response | None] = [None] * len(asks)
    left = iter(enumerate(asks))
    limits = httpx.Limits(max_connections=None, max_keepalive_connections=at_once)
    async with httpx.AsyncClient(timeout=patience, limits=limits) as client, asyncio.TaskGroup() as group:

        async def lane() -> None:
            for at, fields in left:
                answers[at] = await one(client, fields)

        for _ in range(at_once):
            group.create_task(lane())
    return [answer for answer in answers if answer is not None]
