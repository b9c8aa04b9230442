"""Idempotency keys inside a process, and attempts over a cache that processes share."""

import asyncio

import pytest

from cogitate.server.auth.caller import Caller
from cogitate.server.cache import BoundedCache
from cogitate.server.errors import BadRequest, IdempotencyKeyReused, Overloaded
from cogitate.server.observability.metrics import Metrics
from cogitate.server.observability.trace_store import TraceStore
from cogitate.server.serving.idempotency import MAX_KEY_CHARACTERS, TTL_SECONDS, Attempt, Idempotency, Replay
from cogitate.server.serving.job import Job
from cogitate.server.serving.jobs import Jobs
from cogitate.server.serving.single_flight import SingleFlight
from cogitate.server.serving.trace_registry import TraceRegistry
from cogitate.strategies.core.event_log import EventLog
from tests.server.cache.clock import Clock
from tests.server.planning.test_plan import make_plan
from tests.server.serving.test_single_flight import ClaimedMemory

PATH = "/v1/chat/completions"


class Process:
    """What one server process knows, over a cache that it shares."""

    def __init__(self, cache: ClaimedMemory, clock: Clock | None = None) -> None:
        self.jobs = Jobs(8)
        background = self.jobs.run_in_background
        traces = TraceRegistry(Metrics(), TraceStore(cache), background)
        originals = BoundedCache(256, TTL_SECONDS, clock=clock or Clock())
        self.idempotency = Idempotency(SingleFlight(cache, background), self.jobs, traces, originals)

    def open(self, key: str = "k", path: str = PATH, *, stream: bool = False, tenant: str = "a", **fields) -> Attempt:
        return self.idempotency.open_attempt(make_plan(tenant=tenant, **fields), key, path, stream=stream)

    def start(self, outcome: dict[str, str] | Exception) -> Job[dict[str, str]]:
        async def work(_: Job[dict[str, str]]) -> dict[str, str]:
            if isinstance(outcome, Exception):
                raise outcome
            return outcome

        return self.jobs.start(EventLog[str](), work)


@pytest.fixture
def process() -> Process:
    return Process(ClaimedMemory())


@pytest.mark.parametrize("length", [0, MAX_KEY_CHARACTERS + 1])
def test_a_key_of_a_wrong_length_is_a_400_with_its_param(process: Process, length: int) -> None:
    with pytest.raises(BadRequest) as refused:
        process.open("k" * length)
    assert refused.value.param == "Idempotency-Key"


async def test_a_duplicate_in_the_process_gets_the_job_of_the_first_request(process: Process) -> None:
    job = process.start({"id": "1"})
    process.open().remember(job)
    original = process.open().find_original()
    assert original is not None and original.job is job
    assert process.open(tenant="b").find_original() is None and process.open("another").find_original() is None


@pytest.mark.parametrize("change", [{"seed": 1}, {"path": "/v1/responses"}, {"stream": True}])
async def test_a_key_with_another_request_raises_idempotency_key_reused(process: Process, change: dict) -> None:
    process.open().remember(process.start({"id": "1"}))
    with pytest.raises(IdempotencyKeyReused):
        process.open(**change).find_original()


async def test_a_key_is_forgotten_when_its_request_failed_or_its_time_is_over() -> None:
    clock = Clock()
    process = Process(ClaimedMemory(), clock)
    failed = process.start(Overloaded("no"))
    process.open().remember(failed)
    await failed.wait()
    assert process.open(seed=1).find_original() is None
    process.open().remember(process.start({"id": "1"}))
    clock.now += TTL_SECONDS
    assert process.open(seed=1).find_original() is None


async def look_up(attempt: Attempt) -> Replay:
    job = attempt.look_up()
    with job.read(Caller()):
        await job.wait()
    return job.result()


async def render() -> bytes:
    return b"the response"


async def test_another_process_replays_the_recorded_response() -> None:
    cache = ClaimedMemory()
    first, second = Process(cache), Process(cache)
    attempt = first.open()
    assert not (await look_up(attempt)).content and attempt.has_claim
    attempt.record(first.start({"id": "1"}), render)
    replay = await look_up(second.open())
    assert replay == Replay(attempt.plan.number, b"the response")
    with pytest.raises(IdempotencyKeyReused):
        await look_up(second.open(seed=1))


async def test_a_running_key_refuses_another_request_after_a_grace_period() -> None:
    cache = ClaimedMemory()
    first, second = Process(cache), Process(cache)
    attempt = first.open()
    await look_up(attempt)
    finish = asyncio.Event()

    async def work(_: Job[dict[str, str]]) -> dict[str, str]:
        await finish.wait()
        return {"id": "1"}

    attempt.record(first.jobs.start(EventLog[str](), work), render)
    with pytest.raises(IdempotencyKeyReused):
        await look_up(second.open(seed=1))
    finish.set()
    await first.jobs.drain(1)


async def test_after_a_failure_or_an_abandoned_attempt_another_process_answers() -> None:
    cache = ClaimedMemory()
    first, second = Process(cache), Process(cache)
    attempt = first.open()
    await look_up(attempt)
    attempt.record(first.start(Overloaded("no")), render)
    retry = second.open(seed=1)
    assert not (await look_up(retry)).content and retry.has_claim
    retry.abandon()
    again = first.open()
    assert not (await look_up(again)).content and again.has_claim
