"""Benchmarks of streams over the remote engine: time to the first byte, many waiting streams, and disconnects."""

import asyncio
import statistics
import time
from collections.abc import Sequence

from tests.bench.harness import CHAT, Rig, encode_chat, in_flight, p99, time_seconds, vote, wait_until
from tests.bench.report import spread

WAITING_STREAMS, SAMPLES = 200, 4
IDLE_STREAMS = 1000
POLL_SECONDS = 0.01


async def first_byte(rig: Rig) -> None:
    """Measure the time until a stream begins; it does not depend on how long the strategy takes."""
    times = [await time_to_first_byte(rig, encode_chat(vote(8), stream=True)) for _ in range(rig.rounds)]
    figure = f"{spread(times)} ms, p99 {p99(times):.2f}"
    rig.table.add("first byte of a stream, upstream of 50 ms", figure, "5 ms", statistics.median(times) <= 5)


async def first_byte_of_each(rig: Rig, names: Sequence[str]) -> None:
    """Measure the same for each strategy, and report the slowest median."""
    medians = {}
    for name in names:
        body = encode_chat({"name": name}, stream=True)
        medians[name] = statistics.median([await time_to_first_byte(rig, body) for _ in range(max(5, rig.rounds // 8))])
    slowest = max(medians, key=lambda name: medians[name])
    figure = f"{medians[slowest]:.2f} ms of {slowest}, the slowest p50 of {len(medians)}"
    rig.table.add("... of each strategy", figure, "50 ms", medians[slowest] <= 50)


async def time_to_first_byte(rig: Rig, body: bytes) -> float:
    """Return the milliseconds until a stream begins, after reading it to its end."""
    start = time.perf_counter()
    async with rig.ours.stream(CHAT, body) as chunks:
        await anext(chunks)
        milliseconds = (time.perf_counter() - start) * 1000
        rest = [chunk async for chunk in chunks]
    assert b"[DONE]" in rest[-1]
    return milliseconds


async def waiting_streams(rig: Rig) -> None:
    """Measure streams on an upstream that does not respond: calls in flight, liveness, and aborts at disconnects."""
    idle = await time_liveness(rig, 1.0)
    before = await in_flight(rig)
    body, never = encode_chat(vote(SAMPLES), stream=True), asyncio.Event()

    async def all_are_in_flight() -> bool:
        return await in_flight(rig) >= before + WAITING_STREAMS * SAMPLES

    async def none_is_in_flight() -> bool:
        return await in_flight(rig) <= before

    async with asyncio.TaskGroup() as group:
        streams = [group.create_task(open_stream(rig, body, never)) for _ in range(WAITING_STREAMS)]
        await wait_until(all_are_in_flight)
        busy = await time_liveness(rig, 3.0)
        count = await in_flight(rig) - before
        start = time.perf_counter()
        for stream in streams:
            stream.cancel()
    await wait_until(none_is_in_flight)
    seconds = time.perf_counter() - start
    what = f"{WAITING_STREAMS} waiting streams of {SAMPLES} samples: upstream calls in flight"
    rig.table.add(what, f"{count}", f"{WAITING_STREAMS * SAMPLES}", count == WAITING_STREAMS * SAMPLES)
    p50s = f"p50 {statistics.median(busy):.2f} against {statistics.median(idle):.2f}"
    figure = f"p99 {p99(busy):.2f} ms against {p99(idle):.2f} ms idle, {p50s}"
    rig.table.add("liveness meanwhile", figure, "p99 +5 ms", p99(busy) <= p99(idle) + 5)
    rig.table.add("no upstream call left after the disconnects", f"{seconds * 1000:.0f} ms", "1000 ms", seconds <= 1)


async def idle_streams(rig: Rig) -> None:
    """Measure the server's memory for streams that wait for their first sample."""
    before = rig.server.memory_mebibytes
    body, never = encode_chat(vote(1), stream=True), asyncio.Event()

    async def all_are_in_flight() -> bool:
        return await in_flight(rig) >= IDLE_STREAMS

    async with asyncio.TaskGroup() as group:
        streams = [group.create_task(open_stream(rig, body, never)) for _ in range(IDLE_STREAMS)]
        await wait_until(all_are_in_flight)
        more = rig.server.memory_mebibytes - before
        for stream in streams:
            stream.cancel()
    rig.table.add(f"{IDLE_STREAMS:,} idle streams: memory", f"{more:.0f} MiB more", "100 MiB", more < 100)


async def open_stream(rig: Rig, body: bytes, until: asyncio.Event) -> None:
    """Open a stream, read its first chunk, and leave the rest unread until `until` is set."""
    async with rig.ours.stream(CHAT, body) as chunks:
        await anext(chunks)
        await until.wait()


async def time_liveness(rig: Rig, seconds: float) -> list[float]:
    """Poll /health/live for so many seconds; returns the milliseconds of each response."""
    end, times = time.perf_counter() + seconds, []
    while time.perf_counter() < end:
        times.append(await time_seconds(rig.ours.get("/health/live")) * 1000)
        await asyncio.sleep(POLL_SECONDS)
    return times
