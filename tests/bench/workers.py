"""Measures what a second worker process is worth: python -m tests.bench.workers [--rounds N] [--requests N]

`cogitate serve` with one process and with `--workers 2`, over one Redis and one fake upstream without latency, each
saturated by a client of 32 connections that writes prepared bytes and reads lengths. Rounds alternate. Two figures:

- by the clock: requests a second. Client, Redis and upstream need the same two cores, so that this is a lower bound,
  and means little where other programs run: their share of the processors is a row of its own.
- by processor time: requests for each second that the workers computed, times how evenly they shared the work. It is
  what two cores would give that had nothing else to do.
"""

import argparse
import asyncio
import statistics
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from urllib.parse import urlsplit

import psutil
import uvloop

from tests.bench.harness import CHAT, encode_chat, vote
from tests.bench.http_clients import MinimalConnection
from tests.bench.processes import run_fake_upstream, run_server
from tests.bench.report import Table, spread
from tests.fakes.redis_server import PROGRAM, RedisServer

CONNECTIONS = 32
TARGET = 1.7
MAX_OTHERS_SHARE = 0.05
"""Of the processors' time, above which the clock measures other programs."""


@dataclass(slots=True)
class Round:
    """One round of one server."""

    requests: int
    seconds: float
    workers: list[float]
    """Processor seconds of each worker."""

    @property
    def rate(self) -> float:
        return self.requests / self.seconds

    @property
    def rate_of_processor(self) -> float:
        return self.requests / sum(self.workers)

    @property
    def balance(self) -> float:
        """How many workers' work was done at once, if each has a core: their number where all worked as long."""
        return sum(self.workers) / max(self.workers)


@dataclass(slots=True)
class Measured:
    """A server, and its rounds."""

    url: str
    processes: list[psutil.Process]
    rounds: list[Round] = field(default_factory=list)

    async def measure(self, body: bytes, count: int) -> None:
        before, began = [seconds_of(each) for each in self.processes], time.perf_counter()
        await send(self.url, body, count)
        seconds = time.perf_counter() - began
        spent = [seconds_of(each) - then for each, then in zip(self.processes, before, strict=True)]
        self.rounds.append(Round(count, seconds, spent))


def seconds_of(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)


async def send(url: str, body: bytes, count: int) -> None:
    """Send `count` requests, on each of CONNECTIONS connections one after another. Raises RuntimeError on an error."""
    address, left = urlsplit(url), iter(range(count))
    head = b"POST %b HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n" % CHAT.encode()
    message = head + b"content-length: %d\r\n\r\n%b" % (len(body), body)
    loop = asyncio.get_running_loop()

    async def work() -> None:
        transport, connection = await loop.create_connection(MinimalConnection, address.hostname, address.port)
        for _ in left:
            connection.response = loop.create_future()
            transport.write(message)
            answer = await connection.response
            if connection.parser.get_status_code() != 200:
                raise RuntimeError(f"the server answered {answer[:200]!r}")
        transport.close()

    async with asyncio.TaskGroup() as group:
        for _ in range(CONNECTIONS):
            group.create_task(work())


@contextmanager
def run_workers(count: int, upstream: str, redis: RedisServer) -> Iterator[Measured]:
    flags = ("--redis-url", redis.url, "--workers", str(count), "--log-level", "warning")
    with run_server(f"{upstream}/v1", *flags, "--max-concurrent-requests", "1024") as server:
        parent = psutil.Process(server.pid)
        yield Measured(server.url, parent.children() if count > 1 else [parent])


async def compare(table: Table, what: str, one: Measured, two: Measured, body: bytes, rounds: int, count: int) -> None:
    """Measure both by turns, and add rows."""
    for each in (one, two):
        each.rounds.clear()
        await each.measure(body, count // 4)  # fills caches, and connects to Redis
        each.rounds.clear()
    own = [*one.processes, *two.processes, psutil.Process(), *find_helpers()]
    before, began, busy = sum(map(seconds_of, own)), time.perf_counter(), busy_seconds()
    for _ in range(rounds):
        for each in (one, two):
            await each.measure(body, count)
    elapsed = (time.perf_counter() - began) * (psutil.cpu_count() or 1)
    others = (busy_seconds() - busy - (sum(map(seconds_of, own)) - before)) / elapsed
    add_rows(table, what, one.rounds, two.rounds, max(0.0, others))


def add_rows(table: Table, what: str, one: list[Round], two: list[Round], others: float) -> None:
    clock = statistics.median(each.rate for each in two) / statistics.median(each.rate for each in one)
    rates = [spread([each.rate for each in rounds], 0) for rounds in (two, one)]
    is_quiet = others <= MAX_OTHERS_SHARE
    figure = f"{clock:.2f}x: {rates[0]} against {rates[1]} a second"
    table.add(
        f"{what}, 2 workers over 1: requests by the clock", figure, f"{TARGET}x", clock >= TARGET if is_quiet else None
    )
    share = f"{others:.0%}{'' if is_quiet else ': two idle cores were not available'}"
    table.add("... processors' time that other programs took", share, f"{MAX_OTHERS_SHARE:.0%}", is_quiet)
    cost = [spread([1000 / each.rate_of_processor for each in rounds]) for rounds in (two, one)]
    efficiency = statistics.median(each.rate_of_processor for each in two) / statistics.median(
        each.rate_of_processor for each in one
    )
    balance = statistics.median(each.balance for each in two)
    figure = f"{efficiency * balance:.2f}x: {cost[0]} against {cost[1]} ms a request, shared {balance:.2f} to 1"
    table.add(
        "... by the workers' processor time and their balance", figure, f"{TARGET}x", efficiency * balance >= TARGET
    )


def busy_seconds() -> float:
    """Return the processor time of the machine so far, without idle time."""
    times = psutil.cpu_times()
    return float(times.user + times.nice + times.system + times.irq + times.softirq + times.steal)


def find_helpers() -> list[psutil.Process]:
    """Return this program's Redis and fake upstream."""
    return [each for each in psutil.Process().children() if "cogitate.server" not in each.cmdline()]


async def main(rounds: int, requests: int) -> None:
    if PROGRAM is None:
        sys.exit("there is no redis-server on the PATH (apt-get install redis-server)")
    table = Table()
    cached = encode_chat(vote(8), cache="default")
    fresh = encode_chat(vote(8))
    with ExitStack() as stack:
        redis, upstream = stack.enter_context(RedisServer()), stack.enter_context(run_fake_upstream())
        one, two = (stack.enter_context(run_workers(count, upstream.url, redis)) for count in (1, 2))
        await compare(table, "cached votes", one, two, cached, rounds, requests)
        await compare(table, "votes of 8 samples, each decoded", one, two, fresh, rounds, requests // 4)
    sys.stdout.write(f"{table.markdown()}\n")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=7, help="rounds of each server (default: 7)")
    parser.add_argument("--requests", type=int, default=4000, help="requests of a round (default: 4000)")
    options = parser.parse_args()
    uvloop.run(main(max(2, options.rounds), options.requests))
