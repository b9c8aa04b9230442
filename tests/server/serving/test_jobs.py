import asyncio

import pytest

from cogitate.server.auth.caller import Caller
from cogitate.server.errors import (
    DeadlineExceeded,
    InternalError,
    NotReady,
    Overloaded,
    RequestCancelled,
    UpstreamError,
)
from cogitate.server.serving.jobs import Job, Jobs, to_api_error
from cogitate.strategies.core.budget import BudgetExhausted
from cogitate.strategies.core.execute import NoOutcome
from cogitate.strategies.core.ports import SampleFailed
from cogitate.strategies.core.trace import Trace


async def nothing(job: Job[str]) -> str:
    return "done"


async def forever(job: Job[str]) -> str:
    await asyncio.sleep(60)
    return "never"


async def test_a_job_has_a_result_and_closes_its_trace():
    trace = Trace()
    job = Jobs(1).start(trace, nothing)
    await job.wait()
    assert job.result() == "done" and trace.closed


async def test_a_failed_job_is_data():
    async def fail(job: Job[str]) -> str:
        raise SampleFailed("x")

    jobs = Jobs(1)
    job = jobs.start(Trace(), fail)
    await job.wait()
    assert isinstance(job.failure, UpstreamError) and not jobs.live
    with pytest.raises(UpstreamError):
        job.result()


async def test_no_more_than_the_limit_and_none_while_draining():
    jobs = Jobs(1)
    job = jobs.start(Trace(), forever)
    with pytest.raises(Overloaded):
        jobs.start(Trace(), nothing)
    await jobs.drain(0)
    assert job.task.done() and not jobs.live
    with pytest.raises(NotReady):
        jobs.start(Trace(), nothing)


async def test_work_is_waited_for_and_cancelled_only_after_the_grace():
    async def quick(job: Job[str]) -> str:
        await asyncio.sleep(0.05)
        return "done"

    jobs = Jobs(2)
    job = jobs.start(Trace(), quick)
    await jobs.drain(5)
    assert job.result() == "done"
    jobs = Jobs(2)
    slow = jobs.start(Trace(), forever)
    await jobs.drain(0.05)
    assert isinstance(slow.failure, NotReady) and not jobs.live


async def test_work_ends_with_its_last_reader_and_not_before():
    jobs = Jobs(1)
    job = jobs.start(Trace(), forever)
    with job.read(Caller(request_id="a")):
        with job.read(Caller(request_id="b")):
            await asyncio.sleep(0)
        await asyncio.sleep(0.01)
        assert not job.done
    await job.wait()
    assert isinstance(job.failure, RequestCancelled)


async def test_cancelling_by_name_ends_the_work_only_when_nobody_else_waits_for_it():
    jobs = Jobs(1)
    job = jobs.start(Trace(), forever)
    with job.read(Caller("t", "", "a")) as first, job.read(Caller("t", "", "b")) as second:
        assert jobs.cancel("other", "a") == 0 and jobs.cancel("t", "a") == 1
        assert first.dropped.done() and not second.dropped.done()
        await asyncio.sleep(0.01)
        assert not job.done
        assert jobs.cancel("t", "b") == 1
        await job.wait()
    assert isinstance(job.failure, RequestCancelled) and jobs.cancel("t", "b") == 0


async def test_a_request_is_accepted_or_refused_before_its_answer_begins():
    async def refused(job: Job[str]) -> str:
        raise Overloaded("no")

    async def taken(job: Job[str]) -> str:
        job.accept()
        return await forever(job)

    with pytest.raises(Overloaded):
        await Jobs(1).start(Trace(), refused).wait_until_accepted()
    jobs = Jobs(1)
    await jobs.start(Trace(), taken).wait_until_accepted()
    await jobs.drain(0)


async def test_asides_are_waited_for():
    jobs, kept = Jobs(1), []

    async def keep() -> None:
        await asyncio.sleep(0.02)
        kept.append(True)

    jobs.run_in_background(keep())
    await jobs.drain(0)
    assert kept == [True]


@pytest.mark.parametrize(
    ("failure", "kind"),
    [
        (NoOutcome(), DeadlineExceeded),
        (TimeoutError(), DeadlineExceeded),
        (BudgetExhausted(), DeadlineExceeded),
        (SampleFailed("x"), UpstreamError),
        (Overloaded("x"), Overloaded),
        (RuntimeError("secret"), InternalError),
    ],
)
def test_every_failure_has_its_place_in_the_table(failure, kind, caplog):
    assert type(to_api_error(failure)) is kind and "secret" not in to_api_error(failure).message
