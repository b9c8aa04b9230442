"""What the benchmarks of the remote engine share: clients, request bodies and timing."""

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

MESSAGES = [{"role": "user", "content": "What is 6*7 + 30?"}]
CHAT = "/v1/chat/completions"
JSON_HEADERS = {"Content-Type": "application/json"}
KEEP_ALIVE_SECONDS = 3.0
"""How long the client reuses a connection. The server closes it after 5, which no call must meet."""
PAUSE_SECONDS = 0.001
WARM_UP_ROUNDS = 3
POLL_SECONDS = 0.005
Body = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Rig:
    """A server, its upstream, and the clients that measure them."""

    ours: BareClient
    upstream: BareClient
    client: aiohttp.ClientSession
    server: Process
    table: Table
    rounds: int

    async def counters(self) -> Counter[str]:
        """The fake upstream's counters."""
        return Counter(orjson.loads(await self.upstream.get("/counters")))


Part = Callable[[Rig], Awaitable[None]]
"""Measures something and adds rows to the table."""


async def measure(upstream: Process, server: Process, table: Table, rounds: int, *parts: Part) -> None:
    """Run the parts one after the other."""
    connector = aiohttp.TCPConnector(limit=0, keepalive_timeout=KEEP_ALIVE_SECONDS)
    async with aiohttp.ClientSession(connector=connector) as client:
        rig = Rig(BareClient(server.url), BareClient(upstream.url), client, server, table, rounds)
        for part in parts:
            await part(rig)
        await rig.ours.close()
        await rig.upstream.close()


def encode_chat(strategy: dict[str, object] | None, **fields: object) -> bytes:
    """Encode a chat request; with a strategy it is not cached."""
    extra = {"strategy": strategy, "cache": "no-store"} if strategy else {}
    return orjson.dumps({"model": "fake", "messages": MESSAGES, "max_tokens": 64, **extra, **fields})


def vote(n: int, **options: object) -> dict[str, object]:
    """A vote of n samples that never stops early."""
    return {"name": "self_consistency", "n": n, "stop_rule": "none", **options}


async def post(rig: Rig, to: BareClient, body: bytes) -> Body:
    async with rig.client.post(to.url + CHAT, data=body, headers=JSON_HEADERS) as response:
        payload: Body = orjson.loads(await response.read())
        return payload


async def bare_calls(rig: Rig, n: int) -> None:
    """Make n concurrent calls to the upstream without the server, and parse each response."""
    body = encode_chat(None, temperature=0.7)
    async with asyncio.TaskGroup() as group:
        calls = [group.create_task(post(rig, rig.upstream, body)) for _ in range(n)]
    assert all(call.result()["choices"] for call in calls)


async def in_flight(rig: Rig) -> int:
    """Calls that the upstream has in flight."""
    return (await rig.counters())["in_flight"]


async def time_seconds(work: Awaitable[object]) -> float:
    """Return how long `work` takes."""
    start = time.perf_counter()
    await work
    return time.perf_counter() - start


async def time_alternately(rounds: int, *calls: Callable[[], Awaitable[object]]) -> list[list[float]]:
    """Time each call `rounds` times, in turn, after a warm-up; returns milliseconds.

    There is a pause before each call, so that what a server does after its response does not count for the next one.
    Each call is first in its round as often as any other one: a call after a slow one finds the processor warm.
    """
    times: list[list[float]] = [[] for _ in calls]
    for turn in range(rounds + WARM_UP_ROUNDS):
        for place in range(len(calls)):
            which = (turn + place) % len(calls)
            await asyncio.sleep(PAUSE_SECONDS)
            milliseconds = await time_seconds(calls[which]()) * 1000
            if turn >= WARM_UP_ROUNDS:
                times[which].append(milliseconds)
    return times


async def wait_until(check: Callable[[], Awaitable[bool]], seconds: float = 20.0) -> None:
    """Poll until `check` returns true. Raises TimeoutError."""
    end = time.perf_counter() + seconds
    while not await check():
        if time.perf_counter() > end:
            raise TimeoutError(f"the condition did not hold within {seconds:g} s")
        await asyncio.sleep(POLL_SECONDS)


def p99(times: list[float]) -> float:
    return statistics.quantiles(times, n=100)[98]
