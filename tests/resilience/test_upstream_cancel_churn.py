"""T2, over a remote engine: whoever hangs up gives its place among the ten calls to the upstream back."""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import httpx
import pytest

from tests.fakes.upstream import Counters, FakeUpstream, Script
from tests.resilience.server_process import CHAT, HELLO, Server, raw
from tests.resilience.server_process import body as wire

PLACES, LANES, CALLS = 10, 20, 100
VOTE = {"name": "self_consistency", "n": 4, "stop_rule": "none"}
KINDS: list[dict[str, object]] = [{}, {"stream": True}, {"strategy": VOTE}, {"strategy": VOTE, "stream": True}]
FLAGS = ("--max-generations", str(PLACES), "--max-waiting-generations", "1000", "--upstream-abilities", "none")


async def pooled(count: int, one: Callable[[int], Awaitable[None]]) -> None:
    left = iter(range(count))

    async def lane() -> None:
        for at in left:
            await one(at)

    async with asyncio.TaskGroup() as group:
        for _ in range(LANES):
            group.create_task(lane())


async def cancelled(server: Server, count: int) -> None:
    """So many requests, each left within 50 ms."""
    chance = random.Random(2)

    async def one(at: int) -> None:
        _, writer = await asyncio.open_connection(*server.address)
        writer.write(raw(wire(model="fake", cache="no-store", **KINDS[at % len(KINDS)])))
        await asyncio.sleep(chance.uniform(0, 0.05))
        writer.transport.abort()

    await pooled(count, one)


async def called(server: Server, count: int) -> list[int]:
    """The statuses of whole requests; 0 for one without an answer in half a minute."""
    statuses: list[int] = []

    async def one(at: int) -> None:
        said = HELLO | {"model": "fake", "cache": "no-store"} | KINDS[at % len(KINDS)]
        try:
            statuses.append((await client.post(server.url + CHAT, json=said)).status_code)
        except httpx.TimeoutException:
            statuses.append(0)

    async with httpx.AsyncClient(timeout=30) as client:
        await pooled(count, one)
    return statuses


async def settled(server: Server, fake: FakeUpstream) -> None:
    """Until the server has seen of all who asked that they are gone."""
    async with asyncio.timeout(120), httpx.AsyncClient(timeout=60) as client:
        await client.get(f"{server.url}/health/live")  # a connection is accepted after those that came before it
        calls = -1
        while fake.counters.in_flight or fake.counters.calls > calls:
            calls = fake.counters.calls
            await asyncio.sleep(0.3)


@dataclass(frozen=True, slots=True)
class Churned:
    statuses: list[int]
    """Of the calls after it."""
    seconds: float
    """That these took."""
    seen: Counters
    """What the upstream counted."""
    most: int
    """Calls that it had at a time before anybody left."""
    descriptors: int
    """More of them."""


async def churn(count: int) -> Churned:
    async with FakeUpstream(Script(latency=0.01, pace=0.001)) as fake:
        server = Server(upstream=fake.url, flags=FLAGS)
        await asyncio.to_thread(server.__enter__)
        try:
            await called(server, LANES)
            before, most = server.descriptors, fake.counters.max_in_flight
            await cancelled(server, count)
            await settled(server, fake)
            began = time.monotonic()
            statuses = await called(server, CALLS)
            took = time.monotonic() - began
            await settled(server, fake)
            await asyncio.to_thread(server.healthy)
            return Churned(statuses, took, fake.counters, most, server.descriptors - before)
        finally:
            await asyncio.to_thread(server.__exit__, None, None, None)


def judged(bar, count: int) -> None:
    churned = asyncio.run(churn(count))
    good, seen, more = churned.statuses.count(200), churned.seen, churned.descriptors
    what = f"{count} cancels, {LANES} at once, at {PLACES} places for calls to an upstream; then {CALLS} calls"
    bar("T2", what, f"{good} answered in {churned.seconds:.1f} s", f"{CALLS}, no time-out", good == CALLS)
    figure = f"{seen.aborted} of {seen.calls} cut off, {seen.in_flight} left; before, {churned.most} at a time"
    met = seen.aborted > count / 5 and seen.in_flight == 0 and churned.most == PLACES
    bar("T2", "... calls that the upstream saw", figure, f"0 left; {PLACES}", met)
    bar("T2", "... descriptors more", f"{more:+d}", "+10", more <= 10)


def test_t2_cancels_over_an_upstream_use_up_no_places(bar):
    judged(bar, 300)


@pytest.mark.faults
def test_t2_five_thousand_cancels_over_an_upstream_use_up_no_places(bar):
    judged(bar, 5000)
