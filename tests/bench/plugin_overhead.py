"""Times plain requests through the endpoint plugin and without it: python -m tests.bench.plugin_overhead [--rounds N]

Two applications of vLLM's over one AsyncLLM in this process, one of them with the plugin attached. Loads on them
alternate, so that each figure is of a pair. Reported are medians over the rounds, with quartiles in parentheses.
"""

import argparse
import asyncio
import contextlib
import statistics
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass

import httpx

from cogitate.server.engine.vllm.env import DEMO_MODEL_NAME
from tests.bench.report import Table, say, spread
from tests.fakes.real_engine import BorrowedBackend, real_engine
from tests.fakes.vllm_reference import build_plugin_app, build_vllm_app, listen
from tests.fakes.vllm_server import vllm_server

CONCURRENCIES = (1, 16, 64)
REQUESTS_PER_WORKER = {1: 40, 16: 8, 64: 3}
# One token, so that as little as possible of the engine's time covers the layer's.
BODY = {
    "model": DEMO_MODEL_NAME,
    "messages": [{"role": "user", "content": "Say hello."}],
    "max_tokens": 1,
    "temperature": 0.7,
}
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


async def run_load(client: httpx.AsyncClient, url: str, concurrency: int) -> Load:
    """Send requests from so many workers, each its next one when the last is answered."""
    seconds = list[float]()

    async def work() -> None:
        for _ in range(REQUESTS_PER_WORKER[concurrency]):
            start = time.perf_counter()
            (await client.post(f"{url}/v1/chat/completions", json=BODY)).raise_for_status()
            seconds.append(time.perf_counter() - start)

    start = time.perf_counter()
    async with asyncio.TaskGroup() as group:
        for _ in range(concurrency):
            group.create_task(work())
    return Load(statistics.median(seconds) * 1000, len(seconds) / (time.perf_counter() - start))


async def measure(
    client: httpx.AsyncClient, ours: str, vllms: str, concurrency: int, rounds: int, table: Table
) -> None:
    """Run alternating loads, and add two rows: the latency that is added, and the rate that remains."""
    added, rates = list[float](), list[float]()
    for turn in range(rounds + 1):
        loads = {}
        for url in (ours, vllms)[:: 1 if turn % 2 else -1]:
            loads[url] = await run_load(client, url, concurrency)
        if turn:  # the first is a warm-up
            added.append(loads[ours].p50 - loads[vllms].p50)
            rates.append(loads[ours].rate / loads[vllms].rate)
    median, rate = statistics.median(added), statistics.median(rates)
    table.add(
        f"plain request through the plugin, {concurrency} at once: p50 over vLLM's",
        f"{spread(added)} ms",
        f"+{MAX_ADDED_MILLISECONDS} ms",
        median <= MAX_ADDED_MILLISECONDS,
    )
    table.add(
        f"... requests per second over vLLM's, {concurrency} at once",
        f"{spread(rates)}x",
        f"{MIN_RATE}x",
        rate >= MIN_RATE,
    )


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
async def serve_both(engine: BorrowedBackend) -> AsyncIterator[tuple[str, str]]:
    async with listen(await build_plugin_app(engine)) as ours, listen(await build_vllm_app(engine)) as vllms:
        yield ours, vllms


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=15, help="pairs of loads for each row")
    parser.add_argument("--starts", type=int, default=3, help="pairs of starts of the server; 0: none")
    options = parser.parse_args()
    rounds, table = options.rounds, Table()
    if options.starts > 1:
        measure_starts(options.starts, table)
    say("loading the demo model")
    async with (
        real_engine() as engine,
        serve_both(engine) as (ours, vllms),
        httpx.AsyncClient(
            timeout=300, limits=httpx.Limits(max_connections=None, max_keepalive_connections=200)
        ) as client,
    ):
        for concurrency in CONCURRENCIES:
            say(f"{concurrency} at once")
            await measure(client, ours, vllms, concurrency, rounds, table)
    print(table.markdown())


if __name__ == "__main__":
    asyncio.run(main())
