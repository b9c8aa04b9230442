"""How fast, beside vLLM's own server over the same engine: python -m tests.bench.vllm_overhead [--rounds N]

Both servers run in this process over one AsyncLLM and are asked in turn, so every ratio is of one run on one machine.
Medians, with the quartiles behind them.
"""

import argparse
import asyncio
import statistics
import time
from collections.abc import Awaitable, Callable

import httpx

from cogitate.server.cache import open_cache
from cogitate.server.engine.vllm.env import DEMO_NAME
from cogitate.strategies import STRATEGIES
from tests.bench.report import Table, say, spread
from tests.fakes.real_engine import real_engine
from tests.fakes.redis_server import RedisServer
from tests.fakes.vllm_reference import Pair, served

SHORT = [{"role": "user", "content": "Say hello."}]
EASY = [{"role": "user", "content": "What is 2+2? Reply with the number only."}]


async def seconds(ask: Callable[[], Awaitable[httpx.Response]]) -> float:
    began = time.perf_counter()
    (await ask()).raise_for_status()
    return time.perf_counter() - began


async def in_turn(
    rounds: int, first: Callable[[], Awaitable[httpx.Response]], second: Callable[[], Awaitable[httpx.Response]]
) -> tuple[list[float], list[float]]:
    """Each asked `rounds` times, one after the other and every other round the other way round."""
    ours, theirs = [], []
    for turn in range(rounds):
        for ask, times in ((first, ours), (second, theirs))[:: 1 if turn % 2 else -1]:
            times.append(await seconds(ask))
    return ours, theirs


async def floor(pair: Pair, client: httpx.AsyncClient, rounds: int, table: Table) -> None:
    body = {"model": DEMO_NAME, "messages": SHORT, "max_tokens": 1, "temperature": 0.7}
    ours, theirs = await in_turn(
        rounds,
        lambda: client.post(f"{pair.ours}/v1/chat/completions", json=body),
        lambda: client.post(f"{pair.vllms}/v1/chat/completions", json=body),
    )
    more = (statistics.median(ours) - statistics.median(theirs)) * 1000
    figure = f"{more:+.2f} ms: {spread([t * 1000 for t in ours])} ms against {spread([t * 1000 for t in theirs])} ms"
    table.add("plain request, p50 over vLLM's own server", figure, "+2 ms", more <= 2)


async def voting(pair: Pair, client: httpx.AsyncClient, rounds: int, table: Table) -> None:
    fixed = {"model": DEMO_NAME, "messages": SHORT, "max_tokens": 64, "min_tokens": 64, "temperature": 0.7}
    vote = {"name": "self_consistency", "n": 16, "stop_rule": "none", "instruction": ""}
    ours, theirs = await in_turn(
        rounds,
        lambda: client.post(f"{pair.ours}/v1/chat/completions", json=fixed | {"strategy": vote, "cache": "no-store"}),
        lambda: client.post(f"{pair.vllms}/v1/chat/completions", json=fixed | {"n": 16}),
    )
    ratios = [mine / its for mine, its in zip(ours, theirs, strict=True)]
    figure = f"{spread(ratios)}x: {spread(ours)} s against {spread(theirs)} s"
    table.add(
        "self_consistency n=16, fixed length, over the engine's n=16", figure, "1.10x", statistics.median(ratios) <= 1.1
    )


async def stopping(pair: Pair, client: httpx.AsyncClient, rounds: int, table: Table) -> None:
    shares, right = [], 0
    body = {"model": DEMO_NAME, "messages": EASY, "max_tokens": 64, "temperature": 0.3, "cache": "no-store"}
    for _ in range(rounds):
        used = []
        for rule in ("beta", "none"):
            strategy = {
                "name": "self_consistency",
                "n": 16,
                "stop_rule": rule,
                "answer_format": "number",
                "instruction": "",
            }
            answer = (await client.post(f"{pair.ours}/v1/chat/completions", json=body | {"strategy": strategy})).json()
            used.append(answer["usage"]["completion_tokens"])
            right += answer["cogitate"]["answer"] == "4"
        shares.append(used[0] / used[1])
    figure = f"{spread(shares)} of the tokens; {right} of {2 * rounds} answers right"
    table.add("early stop (beta) on an easy question, n=16", figure, "0.5", statistics.median(shares) <= 0.5)


async def hanging_up(pair: Pair, rounds: int, table: Table) -> None:
    times = []
    story = [{"role": "user", "content": "Write a very long story."}]
    body = {
        "model": DEMO_NAME,
        "messages": story,
        "max_tokens": 1500,
        "min_tokens": 1400,
        "strategy": "self_consistency",
    }
    for _ in range(rounds):
        async with httpx.AsyncClient(timeout=60) as client:
            try:
                async with asyncio.timeout(1.5):
                    await client.post(f"{pair.ours}/v1/chat/completions", json=body | {"cache": "no-store"})
            except TimeoutError:
                pass
        began = time.perf_counter()
        while (load := pair.backend.load()).running + load.waiting:  # noqa: ASYNC110 what is measured
            await asyncio.sleep(0.001)
        times.append(time.perf_counter() - began)
    figure = f"{spread([t * 1000 for t in times])} ms, worst {max(times) * 1000:.0f} ms"
    table.add("a dropped connection until no sequence runs", figure, "1000 ms", max(times) <= 1)


async def first_bytes(pair: Pair, client: httpx.AsyncClient, rounds: int, table: Table) -> None:
    """Until a stream begins, whatever its strategy has yet to do."""
    for name in STRATEGIES:
        body = {"model": DEMO_NAME, "messages": EASY, "max_tokens": 16, "stream": True, "cache": "no-store"}
        times = []
        for _ in range(rounds):
            began = time.perf_counter()
            url = f"{pair.ours}/v1/chat/completions"
            async with client.stream("POST", url, json=body | {"strategy": name}) as answer:
                await anext(answer.aiter_bytes())
                times.append((time.perf_counter() - began) * 1000)
        table.add(f"first byte of a stream, {name}", f"{spread(times)} ms", "50 ms", statistics.median(times) <= 50)


async def repeating(pair: Pair, client: httpx.AsyncClient, rounds: int, table: Table, where: str) -> None:
    body = {"model": DEMO_NAME, "messages": EASY, "max_tokens": 32, "strategy": "self_consistency"}
    (await client.post(f"{pair.ours}/v1/chat/completions", json=body)).raise_for_status()
    await asyncio.sleep(0.2)
    hit = (await client.post(f"{pair.ours}/v1/chat/completions", json=body)).json()["cogitate"]["cache"]
    assert hit == "hit", f"{where}: {hit}"
    times = [
        await seconds(lambda: client.post(f"{pair.ours}/v1/chat/completions", json=body)) * 1000 for _ in range(rounds)
    ]
    table.add(f"a cached repeat, {where}, p50", f"{spread(times)} ms", "3 ms", statistics.median(times) <= 3)


async def main(rounds: int) -> None:
    table = Table()
    say("loading the demo model")
    async with real_engine() as engine, httpx.AsyncClient(timeout=300) as client:
        async with served(engine) as pair:
            await floor(pair, client, 20, Table())
            await floor(pair, client, 20 * rounds, table)
            await voting(pair, client, rounds, table)
            await stopping(pair, client, rounds, table)
            await hanging_up(pair, rounds, table)
            await first_bytes(pair, client, 3 * rounds, table)
            await repeating(pair, client, 50 * rounds, table, "in this process")
        with RedisServer() as redis:
            async with served(engine, open_cache(redis.url, ttl=60, on_fault=say)) as pair:
                await repeating(pair, client, 50 * rounds, table, "Redis")
    print(table.markdown())


if __name__ == "__main__":
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--rounds", type=int, default=7, help="repetitions of each comparison (default: 7)")
    asyncio.run(main(arguments.parse_args().rounds))
