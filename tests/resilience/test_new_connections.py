"""Overload by clients that open a connection for each request: fast refusals and liveness, and bounded memory."""

import asyncio
import json
import random
import time
from dataclasses import dataclass, field

import pytest

from tests.resilience.measure import percentile
from tests.resilience.server_process import CHAT, Server
from tests.resilience.test_overload import FLAGS, SECONDS_PER_TOKEN, TOKENS, WIDTHS, vote

pytestmark = pytest.mark.fault("T9")

CONNECTIONS_PER_SECOND = 400
REQUESTS_PER_PROBE = 40
MAX_MILLISECONDS = 100
MAX_MEBIBYTES = 50


@dataclass(slots=True)
class Clients:
    """Clients that each open a connection, send one request, read the response and leave."""

    address: tuple[str, int]
    statuses: list[int] = field(default_factory=list)
    refusals: list[float] = field(default_factory=list)
    """Milliseconds from before the connection to the status line."""
    probes: list[float] = field(default_factory=list)
    """The same of /health/live."""

    async def run(self, seconds: float) -> None:
        """Start clients at a fixed rate, however long the earlier ones take."""
        chance, loop = random.Random(9), asyncio.get_running_loop()
        began = loop.time()
        async with asyncio.TaskGroup() as group:
            for at in range(int(CONNECTIONS_PER_SECOND * seconds)):
                await asyncio.sleep(max(0.0, began + at / CONNECTIONS_PER_SECOND - loop.time()))
                group.create_task(self.ask(json.dumps(vote(chance.choice(WIDTHS))).encode()))
                if at % REQUESTS_PER_PROBE == 0:
                    group.create_task(self.probe())

    async def ask(self, body: bytes) -> None:
        status, milliseconds = await self.exchange(f"POST {CHAT}", body)
        self.statuses.append(status)
        if status == 429:
            self.refusals.append(milliseconds)

    async def probe(self) -> None:
        self.probes.append((await self.exchange("GET /health/live", b""))[1])

    async def exchange(self, line: str, body: bytes) -> tuple[int, float]:
        """Return the status and the milliseconds until it came."""
        began = time.perf_counter()
        reader, writer = await asyncio.open_connection(*self.address)
        lines = ("Host: localhost", "Content-Type: application/json", f"Content-Length: {len(body)}")
        writer.write("\r\n".join([f"{line} HTTP/1.1", *lines, "Connection: close", "", ""]).encode() + body)
        status = int((await reader.readline()).split()[1])
        milliseconds = (time.perf_counter() - began) * 1000
        await reader.read()
        writer.close()
        return status, milliseconds


@pytest.mark.faults
def test_new_connections_are_refused_at_once(bar, scale):
    seconds = 60 * scale
    with Server(flags=FLAGS) as server:
        server.set_knobs(pace=SECONDS_PER_TOKEN, texts=["\\boxed{1} " + "and " * (TOKENS - 1)])
        clients, memory = Clients(server.address), server.memory
        asyncio.run(clients.run(seconds))
        grown = server.memory - memory
        server.assert_healthy()
    kinds = {status: clients.statuses.count(status) for status in sorted(set(clients.statuses))}
    what = f"{CONNECTIONS_PER_SECOND} new connections a second for {seconds:.0f} s, each with n 1, 8 or 64: statuses"
    bar(what, str(kinds), "200 and 429", set(kinds) == {200, 429})
    for name, times in (("refusals", clients.refusals), ("liveness", clients.probes)):
        p99 = percentile(times, 99)
        figure = f"p50 {percentile(times, 50):.0f} ms, p99 {p99:.0f} ms"
        bar(f"... {name}", figure, f"p99 {MAX_MILLISECONDS} ms", p99 <= MAX_MILLISECONDS)
    bar("... memory", f"{grown:+.0f} MiB", f"{MAX_MEBIBYTES} MiB", grown <= MAX_MEBIBYTES)
