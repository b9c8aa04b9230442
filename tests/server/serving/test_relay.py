"""Relaying an engine's stream: at the pace of its readers, and closed when the job ends."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from cogitate.server.auth.caller import Caller
from cogitate.server.serving.job import Job, JobReader
from cogitate.server.serving.jobs import Jobs
from cogitate.server.serving.relay import copy_stream
from cogitate.server.serving.relay_log import MAX_UNREAD_BYTES, RelayLog

MAX_LINE_BYTES = 20_000


class EngineStream:
    """An endless stream of lines that records how many were made, and whether its generator was closed."""

    def __init__(self, size: int = 100) -> None:
        self.size = size
        self.count = 0
        self.closed = False
        self.generator = self._make_lines()
        """A reference that outlives the job, as a traceback may hold one: garbage collection does not close it."""

    async def _make_lines(self) -> AsyncIterator[str]:
        try:
            while True:
                self.count += 1
                yield f"data: {self.count:0{self.size}}\n\n"
        finally:
            self.closed = True


def start(jobs: Jobs, engine: EngineStream, *, keep_read: bool = False) -> Job[dict[str, object]]:
    async def relay(job: Job[dict[str, object]]) -> dict[str, object]:
        await copy_stream(engine.generator, job)
        return {}

    return jobs.start(RelayLog(keep_read=keep_read), relay)


async def read(job: Job[dict[str, object]], reader: JobReader, count: int) -> list[str]:
    lines = list[str]()
    while len(lines) < count:
        if (line := job.record.next_event(reader.place)) is None:
            await job.record.wait(1)
        else:
            lines.append(line)
    return lines


@pytest.mark.parametrize("size", [10, 1000, MAX_LINE_BYTES])
async def test_a_stream_is_made_no_further_ahead_than_its_slowest_reader_allows(size):
    engine, jobs = EngineStream(size), Jobs(1)
    job = start(jobs, engine)
    with job.read(Caller()):
        await asyncio.sleep(0.2)
        assert MAX_UNREAD_BYTES / 2 < engine.count * (size + 128) < MAX_UNREAD_BYTES + 2 * (size + 150)


async def test_what_all_readers_have_read_is_forgotten():
    engine, jobs = EngineStream(1000), Jobs(1)
    job = start(jobs, engine)
    with job.read(Caller()) as fast, job.read(Caller()) as slow:
        fast_lines = asyncio.ensure_future(read(job, fast, 500))
        slow_lines = await read(job, slow, 500)
        assert await fast_lines == slow_lines and [int(line[6:]) for line in slow_lines] == list(range(1, 501))
        await asyncio.sleep(0.1)
        assert sum(map(len, job.record)) < MAX_UNREAD_BYTES + 2000 and job.record.count > 500


async def test_a_stream_that_may_be_repeated_is_kept():
    engine, jobs = EngineStream(1000), Jobs(1)
    job = start(jobs, engine, keep_read=True)
    with job.read(Caller()) as reader:
        await read(job, reader, 300)
        with job.read(Caller()) as repeated:
            assert [int(line[6:]) for line in await read(job, repeated, 300)] == list(range(1, 301))


async def test_a_fast_reader_does_not_wait_for_checks():
    engine, jobs = EngineStream(MAX_LINE_BYTES), Jobs(1)
    job, loop = start(jobs, engine), asyncio.get_running_loop()
    with job.read(Caller()) as reader:
        began = loop.time()
        await read(job, reader, 2000)
        assert loop.time() - began < 3, "at a check every 50 ms for 4 lines it would take 25 s"


@pytest.mark.parametrize("size", [10, MAX_LINE_BYTES])
async def test_a_cancelled_job_that_waits_for_its_reader_closes_the_engines_stream(size):
    engine, jobs = EngineStream(size), Jobs(1)
    job = start(jobs, engine)
    with job.read(Caller()):
        await asyncio.sleep(0.1)
        assert not engine.closed
    async with asyncio.timeout(0.5):
        await job.wait()
    assert job.is_cancelled and engine.closed
