"""Times plain requests through the endpoint plugin and without it: python -m tests.bench.plugin_overhead [--rounds N]

Two applications of vLLM's over one AsyncLLM in this process, one of them with the plugin attached. Single requests
alternate; concurrent loads run in the order ours, vLLM's, vLLM's, ours, so that a drift of the machine's meets both.
Reported are medians over the rounds, with quartiles in parentheses. What the client waits for is the engine: with 16
or 64 requests at once that varies by 10 to 100 ms, so that 0.3 ms cannot be seen. Therefore the bar is also put to the
time of each request outside of vLLM's handler, in the application itself, and to the processor time of this process.
"""

import argparse
import asyncio
import contextlib
import statistics
import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass

import httpx

from cogitate.server.engine.vllm.env import DEMO_MODEL_NAME
from tests.bench.outside_time import TimedApplication, time_application
from tests.bench.report import Table, say, spread
from tests.fakes.real_engine import BorrowedBackend, real_engine
from tests.fakes.vllm_reference import build_plugin_app, build_vllm_app, listen
from tests.fakes.vllm_server import vllm_server

REQUESTS_PER_WORKER = {1: 1, 16: 8, 64: 3}
TURNS = {1: 50, 16: 1, 64: 1}
"""How often the two applications take turns in a round, by concurrency."""
# One token, so that as little as possible of the engine's time covers the layer's.
BODY = {
    "model": DEMO_MODEL_NAME,
    "messages": [{"role": "user", "content": "Say hello."}],
    "max_tokens": 1,
    "temperature": 0.7,
}
LIMITS = httpx.Limits(max_connections=None, max_keepalive_connections=200, keepalive_expiry=2)
"""Idle connections are closed here first: the servers' 5 seconds would end some just as they are used again."""
MAX_ADDED_MILLISECONDS = 0.3
MIN_RATE = 0.99
MAX_ADDED_SECONDS = 2


@dataclass(frozen=True, slots=True)
class Load:
    """What a closed loop of workers measured."""

    p50: float
    """Milliseconds."""
    rate: float
    """Requests per second."""
    cpu: float
    """Milliseconds of this process's processor time for each request: the application and the client."""
    outside: float
    """p50 of the milliseconds outside of vLLM's handler."""


@dataclass(frozen=True, slots=True)
class Server:
    url: str
    app: TimedApplication


async def ask(client: httpx.AsyncClient, url: str) -> float:
    """Send one request, and return its seconds."""
    start = time.perf_counter()
    (await client.post(f"{url}/v1/chat/completions", json=BODY)).raise_for_status()
    return time.perf_counter() - start


async def run_load(client: httpx.AsyncClient, server: Server, concurrency: int, count: int) -> Load:
    """Send requests from so many workers, `count` from each, the next one when the last is answered."""
    seconds = list[float]()

    async def work() -> None:
        for _ in range(count):
            seconds.append(await ask(client, server.url))

    server.app.take_milliseconds()
    start, cpu = time.perf_counter(), time.process_time()
    async with asyncio.TaskGroup() as group:
        for _ in range(concurrency):
            group.create_task(work())
    cpu = (time.process_time() - cpu) / len(seconds)
    rate, outside = len(seconds) / (time.perf_counter() - start), statistics.median(server.app.take_milliseconds())
    return Load(statistics.median(seconds) * 1000, rate, cpu * 1000, outside)


async def run_round(client: httpx.AsyncClient, ours: Server, vllms: Server, concurrency: int) -> tuple[Load, Load]:
    """Load both applications in turn. Returns what was measured with the plugin and without."""
    loads: dict[str, list[Load]] = {ours.url: [], vllms.url: []}
    for server in (ours, vllms, vllms, ours) * TURNS[concurrency]:
        loads[server.url].append(await run_load(client, server, concurrency, REQUESTS_PER_WORKER[concurrency]))
    return mean(loads[ours.url]), mean(loads[vllms.url])


def mean(loads: Sequence[Load]) -> Load:
    """Return the mean of equal loads."""
    rate = statistics.harmonic_mean([load.rate for load in loads])
    p50, cpu, outside = (
        statistics.fmean(each) for each in zip(*((x.p50, x.cpu, x.outside) for x in loads), strict=True)
    )
    return Load(p50, rate, cpu, outside)


async def measure(
    client: httpx.AsyncClient, ours: Server, vllms: Server, concurrency: int, rounds: int, table: Table
) -> None:
    """Add rows: the latency and the processor time that the plugin adds, and the rate that remains."""
    added, outside, rates, cpus = list[float](), list[float](), list[float](), list[float]()
    for turn in range(rounds + 1):
        with_plugin, without = await run_round(client, ours, vllms, concurrency)
        if turn:  # the first is a warm-up
            added.append(with_plugin.p50 - without.p50)
            outside.append(with_plugin.outside - without.outside)
            rates.append(with_plugin.rate / without.rate)
            cpus.append(with_plugin.cpu - without.cpu)
    at_once, bar = f"{concurrency} at once", f"+{MAX_ADDED_MILLISECONDS} ms"
    for what, values in (
        (f"plain request through the plugin, {at_once}: p50 over vLLM's", added),
        (f"... p50 of the time outside of vLLM's handler, over vLLM's, {at_once}", outside),
        (f"... processor time over vLLM's, {at_once}", cpus),
    ):
        table.add(what, f"{spread(values)} ms", bar, statistics.median(values) <= MAX_ADDED_MILLISECONDS)
    enough = statistics.median(rates) >= MIN_RATE
    table.add(f"... requests per second over vLLM's, {at_once}", f"{spread(rates)}x", f"{MIN_RATE}x", enough)


def measure_starts(rounds: int, table: Table) -> None:
    """Start `vllm serve` with the plugin and without it, in turn, and add a row: the seconds that the plugin adds."""
    added = list[float]()
    for turn in range(rounds):
        seconds = {}
        for plugin in ("cogitate", "")[:: 1 if turn % 2 else -1]:
            start = time.perf_counter()
            with vllm_server(environment={"VLLM_PLUGINS": plugin}):
                seconds[plugin] = time.perf_counter() - start
            say(f"started in {seconds[plugin]:.1f} s, {'with' if plugin else 'without'} the plugin")
        added.append(seconds["cogitate"] - seconds[""])
    median = statistics.median(added)
    table.add(
        "start of `vllm serve` with the plugin, over without it",
        f"{spread(added)} s",
        f"+{MAX_ADDED_SECONDS} s",
        median <= MAX_ADDED_SECONDS,
    )


@contextlib.asynccontextmanager
async def serve_both(engine: BorrowedBackend) -> AsyncIterator[tuple[Server, Server]]:
    ours, vllms = time_application(await build_plugin_app(engine)), time_application(await build_vllm_app(engine))
    async with listen(ours) as our_url, listen(vllms) as their_url:
        yield Server(our_url, ours), Server(their_url, vllms)


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=15, help="pairs of loads for each row")
    parser.add_argument("--starts", type=int, default=3, help="pairs of starts of the server; 0: none")
    parser.add_argument(
        "--at-once",
        type=int,
        nargs="*",
        default=[*REQUESTS_PER_WORKER],
        choices=[*REQUESTS_PER_WORKER],
        help="concurrencies to measure",
    )
    options = parser.parse_args()
    rounds, table = options.rounds, Table()
    if options.starts > 1:
        measure_starts(options.starts, table)
    say("loading the demo model")
    async with (
        real_engine() as engine,
        serve_both(engine) as (ours, vllms),
        httpx.AsyncClient(timeout=300, limits=LIMITS) as client,
    ):
        for concurrency in options.at_once:
            say(f"{concurrency} at once")
            await measure(client, ours, vllms, concurrency, rounds, table)
    print(table.markdown())


if __name__ == "__main__":
    asyncio.run(main())
