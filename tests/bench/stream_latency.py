"""Streams over the remote engine: how soon they begin, how many may wait, and what is left when they hang up."""

import asyncio
import statistics
import time
from collections.abc import Sequence

from tests.bench.harness import CHAT, Rig, asked, flying, p99, seconds, until, vote
from tests.bench.report import spread


async def first_byte(rig: Rig) -> None:
    """Until a stream begins, however long its search takes."""
    times = [await begun(rig, asked(vote(8), stream=True)) for _ in range(rig.rounds)]
    p50 = statistics.median(times)
    rig.table.add(
        "first byte of a stream, upstream of 50 ms", f"{spread(times)} ms, p99 {p99(times):.2f}", "5 ms", p50 <= 5
    )


async def first_byte_of_each(rig: Rig, names: Sequence[str]) -> None:
    """The same for each strategy: the median of each, and the slowest strategy's."""
    medians = {}
    for name in names:
        times = [await begun(rig, asked({"name": name}, stream=True)) for _ in range(max(5, rig.rounds // 8))]
        medians[name] = statistics.median(times)
    slowest = max(medians, key=lambda name: medians[name])
    figure = f"{medians[slowest]:.2f} ms of {slowest}, the slowest p50 of {len(medians)}"
    rig.table.add("... of each strategy", figure, "50 ms", medians[slowest] <= 50)


async def begun(rig: Rig, body: bytes) -> float:
    """Milliseconds until a stream begins. It is read to its end."""
    began = time.perf_counter()
    async with rig.ours.stream(CHAT, body) as lines:
        await anext(lines)
        took = (time.perf_counter() - began) * 1000
        told = [line async for line in lines]
    assert b"[DONE]" in told[-1]
    return took


async def waiting(rig: Rig) -> None:
    """200 streams on an upstream that says nothing: all in flight; liveness; and nothing left when they hang up."""
    calm = await liveness(rig, 1.0)
    before = (await rig.counters())["in_flight"]
    hold = asyncio.Event()
    async with asyncio.TaskGroup() as group:
        streams = [group.create_task(held(rig, asked(vote(4), stream=True), hold)) for _ in range(200)]
        await until(lambda: flying(rig, before + 800))
        busy = await liveness(rig, 3.0)
        most = (await rig.counters())["in_flight"] - before
        began = time.perf_counter()
        for stream in streams:
            stream.cancel()
    await until(lambda: flying(rig, 0, most=before))
    gone = time.perf_counter() - began
    rig.table.add("200 waiting streams of 4 samples: upstream calls in flight", f"{most}", "800", most == 800)
    p50s = f"p50 {statistics.median(busy):.2f} against {statistics.median(calm):.2f}"
    figure = f"p99 {p99(busy):.2f} ms against {p99(calm):.2f} ms idle, {p50s}"
    rig.table.add("liveness meanwhile", figure, "p99 +5 ms", p99(busy) <= p99(calm) + 5)
    rig.table.add("no upstream call left after they hang up", f"{gone * 1000:.0f} ms", "1000 ms", gone <= 1)


async def idle_streams(rig: Rig) -> None:
    before = rig.server.memory_mebibytes
    hold = asyncio.Event()
    async with asyncio.TaskGroup() as group:
        streams = [group.create_task(held(rig, asked(vote(1), stream=True), hold)) for _ in range(1000)]
        await until(lambda: flying(rig, 1000))
        more = rig.server.memory_mebibytes - before
        for stream in streams:
            stream.cancel()
    rig.table.add("1,000 idle streams: memory", f"{more:.0f} MiB more", "100 MiB", more < 100)


async def held(rig: Rig, body: bytes, hold: asyncio.Event) -> None:
    async with rig.ours.stream(CHAT, body) as lines:
        await anext(lines)
        await hold.wait()


async def liveness(rig: Rig, seconds_long: float) -> list[float]:
    end, times = time.perf_counter() + seconds_long, []
    while time.perf_counter() < end:
        times.append(await seconds(rig.ours.get("/health/live")) * 1000)
        await asyncio.sleep(0.01)
    return times
