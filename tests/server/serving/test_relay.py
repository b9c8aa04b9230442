"""Relaying an engine's stream: at the pace of its readers, and closed when the job ends."""

import asyncio
from collections.abc import AsyncIterator

from cogitate.server.auth.caller import Caller
from cogitate.server.serving.jobs import MAX_LAG_EVENTS, Job, Jobs
from cogitate.server.serving.relay import copy_stream
from cogitate.strategies.core.event_log import EventLog


class EngineStream:
    """An endless stream of lines that records how many were made, and whether its generator was closed."""

    def __init__(self) -> None:
        self.count = 0
        self.closed = False
        self.generator = self._make_lines()
        """A reference that outlives the job, as a traceback may hold one: garbage collection does not close it."""

    async def _make_lines(self) -> AsyncIterator[str]:
        try:
            while True:
                self.count += 1
                yield f"data: {self.count}\n\n"
        finally:
            self.closed = True


def start(jobs: Jobs, engine: EngineStream) -> Job[dict[str, object]]:
    async def relay(job: Job[dict[str, object]]) -> dict[str, object]:
        await copy_stream(engine.generator, job)
        return {}

    return jobs.start(EventLog[str](), relay)


async def test_a_stream_is_made_no_further_ahead_than_its_slowest_reader_allows():
    engine, jobs = EngineStream(), Jobs(1)
    job = start(jobs, engine)
    with job.read(Caller()):
        await asyncio.sleep(0.1)
        assert MAX_LAG_EVENTS <= engine.count <= MAX_LAG_EVENTS + 2


async def test_a_cancelled_job_that_waits_for_its_reader_closes_the_engines_stream():
    engine, jobs = EngineStream(), Jobs(1)
    job = start(jobs, engine)
    with job.read(Caller()):
        await asyncio.sleep(0.1)
        assert not engine.closed
    await job.wait()
    assert job.is_cancelled and engine.closed
