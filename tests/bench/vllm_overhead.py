"""Compares the server with vLLM's own over the same engine: python -m tests.bench.vllm_overhead [--rounds N]

Both servers run in this process over one AsyncLLM, and requests to them alternate, so that each ratio is of one run on
one machine. Reported are medians, with quartiles in parentheses.
"""

import argparse
import asyncio
import statistics
import time
from collections.abc import Awaitable, Callable
from typing import Any

import httpx

from cogitate.server.cache import open_cache
from cogitate.server.config.telemetry import Telemetry
from cogitate.server.engine.vllm.env import DEMO_MODEL_NAME
from cogitate.strategies import STRATEGIES
from tests.bench.processes import run_otlp_receiver
from tests.bench.report import Table, say, spread
from tests.fakes.real_engine import real_engine
from tests.fakes.redis_server import RedisServer
from tests.fakes.vllm_reference import Pair, serve_pair

CHAT = "/v1/chat/completions"
SHORT = [{"role": "user", "content": "Say hello."}]
EASY = [{"role": "user", "content": "What is 2+2? Reply with the number only."}]
STORY = [{"role": "user", "content": "Write a very long story."}]
TIMEOUT_SECONDS = 300
WARM_UP_ROUNDS = 20
DISCONNECT_SECONDS = 1.5
"""Time from a request to its disconnect."""
MAX_TRACING_MILLISECONDS = 0.2
CACHE_WRITE_SECONDS = 0.2
"""Time that a response takes to reach the cache."""
Call = Callable[[], Awaitable[httpx.Response]]
Body = dict[str, Any]


async def time_request(call: Call) -> float:
    """Return how long a request takes in seconds. Raises httpx.HTTPStatusError."""
    start = time.perf_counter()
    (await call()).raise_for_status()
    return time.perf_counter() - start


async def time_alternately(rounds: int, ours: Call, vllms: Call) -> tuple[list[float], list[float]]:
    """Time both requests `rounds` times in seconds. They alternate, and so does the order within a round."""
    our_times, vllm_times = list[float](), list[float]()
    for turn in range(rounds):
        for call, times in ((ours, our_times), (vllms, vllm_times))[:: 1 if turn % 2 else -1]:
            times.append(await time_request(call))
    return our_times, vllm_times


def to_milliseconds(seconds: list[float]) -> list[float]:
    return [value * 1000 for value in seconds]


async def measure_plain_request(pair: Pair, client: httpx.AsyncClient, rounds: int, table: Table) -> None:
    """Compare a request without a strategy, of one token."""
    body = {"model": DEMO_MODEL_NAME, "messages": SHORT, "max_tokens": 1, "temperature": 0.7}
    ours, vllms = await time_alternately(
        rounds, lambda: client.post(pair.ours + CHAT, json=body), lambda: client.post(pair.vllms + CHAT, json=body)
    )
    overhead = (statistics.median(ours) - statistics.median(vllms)) * 1000
    figure = f"{overhead:+.2f} ms: {spread(to_milliseconds(ours))} ms against {spread(to_milliseconds(vllms))} ms"
    table.add("plain request, p50 over vLLM's own server", figure, "+2 ms", overhead <= 2)


async def measure_tracing(plain: Pair, traced: Pair, client: httpx.AsyncClient, rounds: int, table: Table) -> None:
    """Compare a plain request whose span is sent to a collector with one that is not traced."""
    assert traced.service.tracing and not plain.service.tracing
    body = {"model": DEMO_MODEL_NAME, "messages": SHORT, "max_tokens": 1, "temperature": 0.7}
    with_spans, without = await time_alternately(
        rounds, lambda: client.post(traced.ours + CHAT, json=body), lambda: client.post(plain.ours + CHAT, json=body)
    )
    added = to_milliseconds([a - b for a, b in zip(with_spans, without, strict=True)])
    figure = (
        f"{spread(added, 3)} ms: {spread(to_milliseconds(with_spans))} ms against {spread(to_milliseconds(without))} ms"
    )
    bar = f"+{MAX_TRACING_MILLISECONDS} ms"
    table.add(
        "plain request, traced, over one that is not", figure, bar, statistics.median(added) <= MAX_TRACING_MILLISECONDS
    )


async def measure_vote(pair: Pair, client: httpx.AsyncClient, rounds: int, table: Table) -> None:
    """Compare a vote of 16 samples of equal length with a request to vLLM with `n` of 16."""
    fixed = {"model": DEMO_MODEL_NAME, "messages": SHORT, "max_tokens": 64, "min_tokens": 64, "temperature": 0.7}
    strategy = {"name": "self_consistency", "n": 16, "stop_rule": "none", "instruction": ""}
    vote: Body = fixed | {"strategy": strategy, "cache": "no-store"}
    ours, vllms = await time_alternately(
        rounds,
        lambda: client.post(pair.ours + CHAT, json=vote),
        lambda: client.post(pair.vllms + CHAT, json=fixed | {"n": 16}),
    )
    ratios = [ours_seconds / vllms_seconds for ours_seconds, vllms_seconds in zip(ours, vllms, strict=True)]
    what = "self_consistency n=16, fixed length, over the engine's n=16"
    figure = f"{spread(ratios)}x: {spread(ours)} s against {spread(vllms)} s"
    table.add(what, figure, "1.10x", statistics.median(ratios) <= 1.1)


async def measure_early_stop(pair: Pair, client: httpx.AsyncClient, rounds: int, table: Table) -> None:
    """Measure the share of completion tokens that the stop rule `beta` uses, and the correct answers."""
    shares, right = list[float](), 0
    body: Body = {"model": DEMO_MODEL_NAME, "messages": EASY, "max_tokens": 64, "temperature": 0.3, "cache": "no-store"}
    options = {"name": "self_consistency", "n": 16, "answer_format": "number", "instruction": ""}
    for _ in range(rounds):
        tokens = list[int]()
        for rule in ("beta", "none"):
            request = body | {"strategy": options | {"stop_rule": rule}}
            payload = (await client.post(pair.ours + CHAT, json=request)).json()
            tokens.append(payload["usage"]["completion_tokens"])
            right += payload["cogitate"]["answer"] == "4"
        shares.append(tokens[0] / tokens[1])
    figure = f"{spread(shares)} of the tokens; {right} of {2 * rounds} answers right"
    table.add("early stop (beta) on an easy question, n=16", figure, "0.5", statistics.median(shares) <= 0.5)


async def measure_disconnect(pair: Pair, rounds: int, table: Table) -> None:
    """Measure the time from a client's disconnect until the engine has no sequence left."""
    times = list[float]()
    lengths = {"max_tokens": 1500, "min_tokens": 1400}
    body = {"model": DEMO_MODEL_NAME, "messages": STORY, "strategy": "self_consistency", "cache": "no-store", **lengths}
    for _ in range(rounds):
        async with httpx.AsyncClient(timeout=60) as client:
            try:
                async with asyncio.timeout(DISCONNECT_SECONDS):
                    await client.post(pair.ours + CHAT, json=body)
            except TimeoutError:
                pass
        start = time.perf_counter()
        while (load := pair.backend.load()).running + load.waiting:  # noqa: ASYNC110 the engine has no event for it
            await asyncio.sleep(0.001)
        times.append((time.perf_counter() - start) * 1000)
    figure = f"{spread(times)} ms, worst {max(times):.0f} ms"
    table.add("a dropped connection until no sequence runs", figure, "1000 ms", max(times) <= 1000)


async def measure_first_bytes(pair: Pair, client: httpx.AsyncClient, rounds: int, table: Table) -> None:
    """Measure the time until a stream begins; it does not depend on how long the strategy takes."""
    body: Body = {"model": DEMO_MODEL_NAME, "messages": EASY, "max_tokens": 16, "stream": True, "cache": "no-store"}
    for name in STRATEGIES:
        times = list[float]()
        for _ in range(rounds):
            start = time.perf_counter()
            async with client.stream("POST", pair.ours + CHAT, json=body | {"strategy": name}) as response:
                await anext(response.aiter_bytes())
                times.append((time.perf_counter() - start) * 1000)
        table.add(f"first byte of a stream, {name}", f"{spread(times)} ms", "50 ms", statistics.median(times) <= 50)


async def measure_cached_repeat(pair: Pair, client: httpx.AsyncClient, rounds: int, table: Table, where: str) -> None:
    """Measure a repeated request that the cache answers. `where`: the cache, for the row's name."""
    body = {"model": DEMO_MODEL_NAME, "messages": EASY, "max_tokens": 32, "strategy": "self_consistency"}

    async def request() -> httpx.Response:
        return await client.post(pair.ours + CHAT, json=body)

    (await request()).raise_for_status()
    await asyncio.sleep(CACHE_WRITE_SECONDS)
    result = (await request()).json()["cogitate"]["cache"]
    assert result == "hit", f"{where}: {result}"
    times = to_milliseconds([await time_request(request) for _ in range(rounds)])
    table.add(f"a cached repeat, {where}, p50", f"{spread(times)} ms", "3 ms", statistics.median(times) <= 3)


async def main(rounds: int) -> None:
    table = Table()
    say("loading the demo model")
    async with real_engine() as engine, httpx.AsyncClient(timeout=TIMEOUT_SECONDS) as client:
        async with serve_pair(engine) as pair:
            await measure_plain_request(pair, client, WARM_UP_ROUNDS, Table())
            await measure_plain_request(pair, client, 20 * rounds, table)
            with run_otlp_receiver() as receiver:
                telemetry = Telemetry(exporter_otlp_endpoint=receiver.url)
                async with serve_pair(engine, telemetry=telemetry) as traced:
                    await measure_tracing(pair, traced, client, WARM_UP_ROUNDS, Table())
                    await measure_tracing(pair, traced, client, 60 * rounds, table)
            await measure_vote(pair, client, rounds, table)
            await measure_early_stop(pair, client, rounds, table)
            await measure_disconnect(pair, rounds, table)
            await measure_first_bytes(pair, client, 3 * rounds, table)
            await measure_cached_repeat(pair, client, 50 * rounds, table, "in this process")
        with RedisServer() as redis:
            async with serve_pair(engine, open_cache(redis.url, ttl=60, on_fault=say)) as pair:
                await measure_cached_repeat(pair, client, 50 * rounds, table, "Redis")
    print(table.markdown())


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=7, help="repetitions of each comparison (default: 7)")
    asyncio.run(main(parser.parse_args().rounds))
