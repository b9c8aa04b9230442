import asyncio

import pytest

from server.errors import Internal, Late, Overloaded, Unready, Upstream
from server.jobs import Jobs, told
from strategies.budget import BudgetExhausted
from strategies.execute import NoAnswer
from strategies.ports import SampleFailed
from strategies.trace import Trace


async def nothing() -> str:
    return "done"


async def forever() -> str:
    await asyncio.sleep(60)
    return "never"


async def test_a_job_has_a_result_and_closes_its_trace():
    trace = Trace()
    job = Jobs(1).start(trace, nothing)
    await job.finished()
    assert job.result() == "done" and trace.closed


async def test_a_failed_job_is_data():
    async def fail() -> str:
        raise SampleFailed("x")

    jobs = Jobs(1)
    job = jobs.start(Trace(), fail)
    await job.finished()
    assert isinstance(job.failure, Upstream) and not jobs.live
    with pytest.raises(Upstream):
        job.result()


async def test_no_more_than_the_limit_and_none_while_draining():
    jobs = Jobs(1)
    job = jobs.start(Trace(), forever)
    with pytest.raises(Overloaded):
        jobs.start(Trace(), nothing)
    await jobs.drain(0)
    assert job.task.done() and not jobs.live
    with pytest.raises(Unready):
        jobs.start(Trace(), nothing)


async def test_what_is_held_is_waited_for_and_cancelled_only_after_the_grace():
    jobs, held = Jobs(1), asyncio.Event()

    async def hold(seconds: float) -> None:
        with jobs.holding():
            held.set()
            await asyncio.sleep(seconds)

    quick = asyncio.create_task(hold(0.05))
    await held.wait()
    await jobs.drain(5)
    assert quick.done() and not quick.cancelled()
    slow = asyncio.create_task(hold(60))
    await asyncio.sleep(0)
    await jobs.drain(0.05)
    assert slow.cancelled() and not jobs.live


async def test_asides_are_waited_for():
    jobs, kept = Jobs(1), []

    async def keep() -> None:
        await asyncio.sleep(0.02)
        kept.append(True)

    jobs.aside(keep())
    await jobs.drain(0)
    assert kept == [True]


@pytest.mark.parametrize(
    ("failure", "kind"),
    [
        (NoAnswer(), Late),
        (TimeoutError(), Late),
        (BudgetExhausted(), Late),
        (SampleFailed("x"), Upstream),
        (Overloaded("x"), Overloaded),
        (RuntimeError("secret"), Internal),
    ],
)
def test_every_failure_has_its_place_in_the_table(failure, kind, caplog):
    assert type(told(failure)) is kind and "secret" not in told(failure).message
