"""T20, T30, T38: one replica of three is sick in every way, and clients do not notice; none is followed elsewhere."""

import asyncio
import socket

import httpx
import pytest

from tests.fake_upstream import FakeUpstream, Fault, Script
from tests.faults.rig import CHAT, Server

SICK: list[Fault] = ["500", "429", "reset_first", "redirect", "hang", "hang_body", "error_in_200", "huge", "gzip_bomb"]
RATE, SECONDS = 20, 8


async def asked(url: str, number: int, client: httpx.AsyncClient) -> httpx.Response:
    said = {"model": "fake", "messages": [{"role": "user", "content": f"{number}?"}], "cache": "no-store"}
    return await client.post(url + CHAT, json=said)


async def load(url: str) -> list[int]:
    async with httpx.AsyncClient(timeout=30) as client, asyncio.TaskGroup() as group:
        tasks = []
        for number in range(RATE * SECONDS):
            tasks.append(group.create_task(asked(url, number, client)))
            await asyncio.sleep(1 / RATE)
    return [task.result().status_code for task in tasks]


async def shared(fault: Fault, elsewhere: str) -> tuple[list[int], int, float]:
    """Statuses, calls of the upstreams, and how the server's memory grew, MiB."""
    sick = Script(fault=fault, elsewhere=elsewhere)
    async with FakeUpstream(sick) as first, FakeUpstream() as second, FakeUpstream() as third:
        flags = (
            "--upstream",
            first.url,
            "--upstream",
            second.url,
            "--upstream-abilities",
            "none",
            "--upstream-timeout",
            "4",
            "--upstream-idle-timeout",
            "2",
        )
        server = Server(upstream=third.url, flags=flags, environment={"COGITATE_UPSTREAM_API_KEY": "sk-canary"})
        await asyncio.to_thread(server.__enter__)
        try:
            before = server.memory
            counted = sum(fake.counters.calls for fake in (first, second, third))
            statuses = await load(server.url)
            calls = sum(fake.counters.calls for fake in (first, second, third)) - counted
            return statuses, calls, server.memory - before
        finally:
            await asyncio.to_thread(server.__exit__, None, None, None)


@pytest.mark.faults
@pytest.mark.parametrize("fault", SICK)
def test_t20_one_sick_replica_of_three_is_not_noticed(bar, fault: Fault):
    with socket.create_server(("127.0.0.1", 0)) as canary:
        canary.setblocking(False)
        statuses, calls, grown = asyncio.run(shared(fault, f"http://127.0.0.1:{canary.getsockname()[1]}/v1"))
        try:
            followed = canary.accept() is not None
        except BlockingIOError:
            followed = False
    good, share = statuses.count(200) / len(statuses), calls / len(statuses)
    if fault == "redirect":
        bar("T30", "a replica redirects: connections there", f"{int(followed)}", "0", not followed)
    if fault in ("huge", "gzip_bomb"):
        bar("T38", f"{fault} of a replica: memory", f"+{grown:.0f} MiB", "+20 MiB", grown <= 20)
    what = f"1 of 3 replicas sick ({fault}), {RATE} requests a second: answered; calls a request"
    bar("T20", what, f"{good:.1%}; {share:.2f}", "99.9 %; 1.1", good >= 0.999 and share <= 1.1 + 10 / len(statuses))
