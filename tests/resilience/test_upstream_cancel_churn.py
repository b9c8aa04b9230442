"""A client that disconnects frees its slot among the ten calls to the upstream."""

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

pytestmark = pytest.mark.fault("T2")

SLOTS, CONCURRENCY, CALLS = 10, 20, 100
VOTE = {"name": "self_consistency", "n": 4, "stop_rule": "none"}
KINDS: list[dict[str, object]] = [{}, {"stream": True}, {"strategy": VOTE}, {"strategy": VOTE, "stream": True}]
FLAGS = ("--max-generations", str(SLOTS), "--max-waiting-generations", "1000", "--upstream-abilities", "none")


async def run_concurrently(count: int, task: Callable[[int], Awaitable[None]]) -> None:
    remaining = iter(range(count))

    async def worker() -> None:
        for at in remaining:
            await task(at)

    async with asyncio.TaskGroup() as group:
        for _ in range(CONCURRENCY):
            group.create_task(worker())


async def send_and_disconnect(server: Server, count: int) -> None:
    """Send `count` requests and disconnects from each within 50 ms."""
    chance = random.Random(2)

    async def send(at: int) -> None:
        _, writer = await asyncio.open_connection(*server.address)
        writer.write(raw(wire(model="fake", cache="no-store", **KINDS[at % len(KINDS)])))
        await asyncio.sleep(chance.uniform(0, 0.05))
        writer.transport.abort()

    await run_concurrently(count, send)


async def send_requests(server: Server, count: int) -> list[int]:
    """Send `count` requests; returns their statuses, 0 for one without a response within 30 s."""
    statuses: list[int] = []

    async def send(at: int) -> None:
        payload = HELLO | {"model": "fake", "cache": "no-store"} | KINDS[at % len(KINDS)]
        try:
            statuses.append((await client.post(server.url + CHAT, json=payload)).status_code)
        except httpx.TimeoutException:
            statuses.append(0)

    async with httpx.AsyncClient(timeout=30) as client:
        await run_concurrently(count, send)
    return statuses


async def wait_until_idle(server: Server, fake: FakeUpstream) -> None:
    """Wait until the server has handled every disconnect and calls the upstream no more."""
    async with asyncio.timeout(120), httpx.AsyncClient(timeout=60) as client:
        await client.get(f"{server.url}/health/live")  # connections are accepted in order
        calls = -1
        while fake.counters.in_flight or fake.counters.calls > calls:
            calls = fake.counters.calls
            await asyncio.sleep(0.3)


@dataclass(frozen=True, slots=True)
class Outcome:
    statuses: list[int]
    """Statuses of the calls after the disconnects."""
    seconds: float
    """Duration of these calls."""
    upstream: Counters
    max_in_flight: int
    """Maximum simultaneous upstream calls before the disconnects."""
    descriptors: int
    """Growth of the number of open descriptors."""


async def churn(count: int) -> Outcome:
    async with FakeUpstream(Script(latency=0.01, pace=0.001)) as fake:
        server = Server(upstream=fake.url, flags=FLAGS)
        await asyncio.to_thread(server.__enter__)
        try:
            await send_requests(server, CONCURRENCY)
            before, max_in_flight = server.descriptors, fake.counters.max_in_flight
            await send_and_disconnect(server, count)
            await wait_until_idle(server, fake)
            began = time.monotonic()
            statuses = await send_requests(server, CALLS)
            took = time.monotonic() - began
            await wait_until_idle(server, fake)
            await asyncio.to_thread(server.assert_healthy)
            return Outcome(statuses, took, fake.counters, max_in_flight, server.descriptors - before)
        finally:
            await asyncio.to_thread(server.__exit__, None, None, None)


def check_churn(bar, count: int) -> None:
    outcome = asyncio.run(churn(count))
    good, seen, more = outcome.statuses.count(200), outcome.upstream, outcome.descriptors
    what = f"{count} cancels, {CONCURRENCY} at once, at {SLOTS} places for calls to an upstream; then {CALLS} calls"
    bar(what, f"{good} answered in {outcome.seconds:.1f} s", f"{CALLS}, no time-out", good == CALLS)
    figure = f"{seen.aborted} of {seen.calls} cut off, {seen.in_flight} left; before, {outcome.max_in_flight} at a time"
    met = seen.aborted > count / 5 and seen.in_flight == 0 and outcome.max_in_flight == SLOTS
    bar("... calls that the upstream saw", figure, f"0 left; {SLOTS}", met)
    bar("... descriptors more", f"{more:+d}", "+10", more <= 10)


def test_disconnects_free_the_slots_of_upstream_calls(bar):
    check_churn(bar, 300)


@pytest.mark.faults
def test_five_thousand_disconnects_free_the_slots_of_upstream_calls(bar):
    check_churn(bar, 5000)
