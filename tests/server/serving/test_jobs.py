"""Jobs: start, read, cancel and drain, and the mapping of exceptions to API errors."""

import asyncio

import pytest

from cogitate.server.auth.caller import Caller
from cogitate.server.errors import (
    DeadlineExceeded,
    InternalError,
    NotReady,
    Overloaded,
    RequestCancelled,
    ShuttingDown,
    UpstreamError,
)
from cogitate.server.serving.job import Job
from cogitate.server.serving.jobs import Jobs, to_api_error
from cogitate.strategies.core.budget import BudgetExhausted
from cogitate.strategies.core.execute import NoOutcome
from cogitate.strategies.core.interrupt import Interrupt, Interrupted
from cogitate.strategies.core.ports import SampleFailed
from cogitate.strategies.core.trace import Trace


async def return_done(job: Job[str]) -> str:
    return "done"


async def run_forever(job: Job[str]) -> str:
    await asyncio.sleep(60)
    return "never"


async def test_a_job_has_a_result_and_closes_its_trace():
    trace = Trace()
    job = Jobs(1).start(trace, return_done)
    await job.wait()
    assert job.result() == "done" and trace.closed


async def test_the_exception_of_a_job_becomes_its_failure():
    async def fail(job: Job[str]) -> str:
        raise SampleFailed("x")

    jobs = Jobs(1)
    job = jobs.start(Trace(), fail)
    await job.wait()
    assert isinstance(job.failure, UpstreamError) and not jobs.live
    with pytest.raises(UpstreamError):
        job.result()


async def test_jobs_are_refused_at_the_limit_and_while_draining():
    jobs = Jobs(1)
    job = jobs.start(Trace(), run_forever)
    with pytest.raises(Overloaded):
        jobs.start(Trace(), return_done)
    await jobs.drain(0)
    assert job.task.done() and not jobs.live
    with pytest.raises(NotReady):
        jobs.start(Trace(), return_done)


async def test_draining_cancels_a_job_only_after_the_grace_period():
    async def quick(job: Job[str]) -> str:
        await asyncio.sleep(0.05)
        return "done"

    jobs = Jobs(2)
    job = jobs.start(Trace(), quick)
    await jobs.drain(5)
    assert job.result() == "done"
    jobs = Jobs(2)
    slow = jobs.start(Trace(), run_forever)
    await jobs.drain(0.05)
    assert isinstance(slow.failure, NotReady) and not jobs.live


async def search(job: Job[str]) -> str:
    """A search that returns why it was ended."""
    assert job.interrupt is not None
    try:
        async with job.interrupt.watch(None):
            await asyncio.sleep(60)
    except Interrupted:
        if job.key == "nothing":
            raise NoOutcome from None
        return str(job.interrupt.reason)
    return "never"


def start_search(jobs: Jobs, key: str = "k") -> Job[str]:
    job = jobs.start(Trace(), search)
    job.interrupt, job.key = Interrupt(), key
    return job


async def test_draining_ends_searches_with_their_best_so_far_and_the_rest_with_an_error():
    jobs = Jobs(3)
    found, nothing, plain = start_search(jobs), start_search(jobs, "nothing"), jobs.start(Trace(), run_forever)
    began = asyncio.get_running_loop().time()
    await jobs.drain(0.2)
    assert asyncio.get_running_loop().time() - began < 1 and found.result() == "draining"
    assert isinstance(nothing.failure, ShuttingDown) and isinstance(plain.failure, ShuttingDown) and not jobs.live


async def test_only_searches_that_the_request_reads_are_asked_for_their_answer():
    jobs = Jobs(3)
    mine, other, plain = start_search(jobs), start_search(jobs, "o"), jobs.start(Trace(), run_forever)
    with mine.read(Caller("t", "", "a")), other.read(Caller("t", "", "b")), plain.read(Caller("t", "", "c")):
        await asyncio.sleep(0)
        assert jobs.ask("u", "a") == jobs.ask("t", "c") == [] and jobs.ask("t", "a") == [mine]
        await mine.wait()
        assert mine.result() == "asked" and not other.is_done
        jobs.ask_by_key(["k", "o", 7])
        await other.wait()
        assert other.result() == "asked" and not plain.is_done and jobs.ask("t", "a") == []
    await jobs.drain(0)


async def test_a_job_is_cancelled_with_its_last_reader_and_not_before():
    jobs = Jobs(1)
    job = jobs.start(Trace(), run_forever)
    with job.read(Caller(request_id="a")):
        with job.read(Caller(request_id="b")):
            await asyncio.sleep(0)
        await asyncio.sleep(0.01)
        assert not job.is_done
    await job.wait()
    assert isinstance(job.failure, RequestCancelled)


async def test_a_job_goes_on_while_a_request_that_was_not_cancelled_reads_it():
    jobs = Jobs(1)
    job = jobs.start(Trace(), run_forever)
    with job.read(Caller("t", "", "a")) as first, job.read(Caller("t", "", "b")) as second:
        assert jobs.cancel("other", "a") == 0 and jobs.cancel("t", "a") == 1
        assert first.dropped.done() and not second.dropped.done()
        await asyncio.sleep(0.01)
        assert not job.is_done
        assert jobs.cancel("t", "b") == 1
        await job.wait()
    assert isinstance(job.failure, RequestCancelled) and jobs.cancel("t", "b") == 0


async def test_waiting_for_acceptance_returns_or_raises_the_refusal():
    async def refuse(job: Job[str]) -> str:
        raise Overloaded("no")

    async def accept(job: Job[str]) -> str:
        job.accept()
        return await run_forever(job)

    with pytest.raises(Overloaded):
        await Jobs(1).start(Trace(), refuse).wait_for_acceptance()
    jobs = Jobs(1)
    await jobs.start(Trace(), accept).wait_for_acceptance()
    await jobs.drain(0)


async def test_draining_waits_for_background_work():
    jobs, done = Jobs(1), []

    async def keep() -> None:
        await asyncio.sleep(0.02)
        done.append(True)

    jobs.run_in_background(keep())
    await jobs.drain(0)
    assert done == [True]


@pytest.mark.parametrize(
    ("reason", "message", "code"),
    [
        ("deadline", "The deadline passed", "deadline_exceeded"),
        ("budget", "The token budget ended", "budget_exhausted"),
        ("asked", "The search was ended", "deadline_exceeded"),
    ],
)
def test_search_without_an_answer_says_what_ended_it(reason, message, code):
    error = to_api_error(NoOutcome(reason))
    assert (error.status, error.code) == (504, code) and error.message.startswith(message)


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
def test_every_exception_maps_to_its_api_error_without_its_message(failure, kind, caplog):
    assert type(to_api_error(failure)) is kind and "secret" not in to_api_error(failure).message
