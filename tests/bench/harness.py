"""What the benchmarks of the remote engine share: who is asked, what, and how it is timed."""

import asyncio
import statistics
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import aiohttp
import orjson

from tests.bench.bare_client import BareClient
from tests.bench.processes import Process
from tests.bench.report import Table

ASKED = [{"role": "user", "content": "What is 6*7 + 30?"}]
CHAT = "/v1/chat/completions"
JSON = {"Content-Type": "application/json"}
IDLE = 3.0
"""Seconds that a connection is kept. After 5 the server ends it, and a call must not meet that end."""
PAUSE = 0.001
Body = dict[str, Any]
Part = Callable[["Rig"], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Rig:
    ours: BareClient
    upstream: BareClient
    client: aiohttp.ClientSession
    server: Process
    table: Table
    rounds: int

    async def counters(self) -> Counter[str]:
        return Counter(orjson.loads(await self.upstream.get("/counters")))


async def measured(
    upstream: Process, server: Process, table: Table, rounds: int, *parts: Callable[[Rig], Awaitable[None]]
) -> None:
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=IDLE)) as client:
        rig = Rig(BareClient(server.url), BareClient(upstream.url), client, server, table, rounds)
        for part in parts:
            await part(rig)
        await rig.ours.close()
        await rig.upstream.close()


def asked(strategy: dict[str, object] | None, **fields: object) -> bytes:
    ours = {"strategy": strategy, "cache": "no-store"} if strategy else {}
    return orjson.dumps({"model": "fake", "messages": ASKED, "max_tokens": 64, **ours, **fields})


def vote(n: int, **options: object) -> dict[str, object]:
    return {"name": "self_consistency", "n": n, "stop_rule": "none", **options}


async def post(rig: Rig, to: BareClient, body: bytes) -> Body:
    async with rig.client.post(to.url + CHAT, data=body, headers=JSON) as answer:
        said: Body = orjson.loads(await answer.read())
        return said


async def bare_calls(rig: Rig, n: int) -> None:
    """The same calls without us: n at once, each answer parsed."""
    body = asked(None, temperature=0.7)
    async with asyncio.TaskGroup() as group:
        calls = [group.create_task(post(rig, rig.upstream, body)) for _ in range(n)]
    assert all(call.result()["choices"] for call in calls)


async def flying(rig: Rig, least: int, *, most: int | None = None) -> bool:
    flight = (await rig.counters())["in_flight"]
    return flight >= least if most is None else flight <= most


async def seconds(work: Awaitable[object]) -> float:
    began = time.perf_counter()
    await work
    return time.perf_counter() - began


async def in_turn(rounds: int, *asks: Callable[[], Awaitable[object]]) -> list[list[float]]:
    """Each asked thrice to warm up and then `rounds` times, one after the other, in milliseconds.

    With a pause before each: what the one before does behind its answer is not the next one's time. Each is first in
    its turn as often as any other: who comes behind a slow one finds the processor warm.
    """
    times: list[list[float]] = [[] for _ in asks]
    for turn in range(rounds + 3):
        for place in range(len(asks)):
            which = (turn + place) % len(asks)
            await asyncio.sleep(PAUSE)
            took = await seconds(asks[which]()) * 1000
            if turn >= 3:
                times[which].append(took)
    return times


async def until(check: Callable[[], Awaitable[bool]], longest: float = 20.0) -> None:
    end = time.perf_counter() + longest
    while not await check():
        if time.perf_counter() > end:
            raise TimeoutError("it never came about")
        await asyncio.sleep(0.005)


def p99(times: list[float]) -> float:
    return statistics.quantiles(times, n=100)[98]
