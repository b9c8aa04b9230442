"""Many requests at once, against one server."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import Any

import httpx

from tests.resilience.server_process import CHAT, HELLO, Server, body, raw

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


QUIET = 1.0
"""Seconds."""


def volley(
    server: Server, asks: Sequence[Fields], *headers: str, then: Callable[[], object] = lambda: None
) -> list[tuple[int, dict[str, Any], float]]:
    """All at the same moment: of each the status, the answer, and seconds from its last byte to the answer's last.

    Connections stand before, and nothing is parsed in between: a client that is busy would time itself. `then`: is done
    once no more answers come.
    """

    async def all_of_them() -> list[tuple[bytes, float]]:
        loop = asyncio.get_running_loop()
        lines = [await asyncio.open_connection(*server.address) for _ in asks]

        async def one(at: int) -> tuple[bytes, float]:
            reader, writer = lines[at]
            sent = loop.time()
            writer.write(raw(body(**asks[at]), CHAT, "Connection: close", *headers))
            said = await reader.read(-1)
            return said, loop.time() - sent

        async with asyncio.TaskGroup() as group:
            told = [group.create_task(one(at)) for at in range(len(asks))]
            done, left = set(told), set(told)
            while done and left:
                done, left = await asyncio.wait(left, timeout=QUIET, return_when=asyncio.FIRST_COMPLETED)
            then()
        for _, writer in lines:
            writer.close()
        return [each.result() for each in told]

    answers = []
    for said, seconds in asyncio.run(all_of_them()):
        head, _, content = said.partition(b"\r\n\r\n")
        answers.append((int(head.split()[1]), json.loads(content), seconds))
    return answers
