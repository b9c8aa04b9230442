"""Single flight: which process computes, how long the others wait, and what is stored."""

import asyncio

import pytest

from cogitate.server.cache import MemoryCache
from cogitate.server.serving.jobs import Jobs
from cogitate.server.serving.single_flight import SingleFlight


class ClaimedMemory(MemoryCache):
    """A shared cache with one claim for each key."""

    shared = True

    def __init__(self) -> None:
        super().__init__()
        self.claims = set[str]()

    async def claim(self, key: str) -> bool:
        if key in self.claims:
            return False
        self.claims.add(key)
        return True

    async def release(self, key: str) -> None:
        self.claims.discard(key)


@pytest.fixture
def cache() -> ClaimedMemory:
    return ClaimedMemory()


def build(cache: ClaimedMemory) -> tuple[SingleFlight, Jobs, list[str]]:
    jobs, counted = Jobs(8), list[str]()
    return SingleFlight(cache, jobs.run_in_background, counted.append), jobs, counted


async def test_the_result_is_stored_and_the_claim_released(cache: ClaimedMemory) -> None:
    flights, jobs, counted = build(cache)
    async with flights.enter("k", waits=True) as flight:
        assert flight.peer_result is None and cache.claims == {"k"}
        flight.result = b"1"
    await jobs.drain(1)
    assert await cache.get("k") == b"1" and not cache.claims and counted == ["stored"]


async def test_a_process_waits_for_the_result_of_the_one_that_has_the_claim(cache: ClaimedMemory) -> None:
    (first, first_jobs, _), (second, second_jobs, counted) = build(cache), build(cache)

    async def compute() -> None:
        async with first.enter("k", waits=True) as flight:
            await asyncio.sleep(0.1)
            flight.result = b"1"

    async with asyncio.TaskGroup() as group:
        group.create_task(compute())
        await asyncio.sleep(0.02)
        async with second.enter("k", waits=True) as flight:
            assert flight.peer_result == b"1"
    await first_jobs.drain(1)
    await second_jobs.drain(1)
    assert counted == ["joined"] and not cache.claims


async def test_after_a_failed_computation_the_next_process_computes(cache: ClaimedMemory) -> None:
    (first, _, _), (second, jobs, _) = build(cache), build(cache)
    with pytest.raises(RuntimeError):
        async with first.enter("k", waits=True):
            raise RuntimeError
    async with asyncio.timeout(2), second.enter("k", waits=True) as flight:
        assert flight.peer_result is None
    await jobs.drain(1)
    assert await cache.get("k") is None


async def test_a_computation_that_does_not_wait_takes_no_claim(cache: ClaimedMemory) -> None:
    flights, jobs, _ = build(cache)
    await cache.claim("k")
    async with flights.enter("k", waits=False) as flight:
        flight.result = b"1"
    await jobs.drain(1)
    assert await cache.get("k") == b"1" and cache.claims == {"k"}


async def test_a_computation_without_a_key_stores_nothing(cache: ClaimedMemory) -> None:
    flights, jobs, counted = build(cache)
    async with flights.enter(None, waits=True) as flight:
        flight.result = b"1"
    await jobs.drain(1)
    assert counted == [] and not cache.claims


async def test_what_the_check_raises_ends_the_wait(cache: ClaimedMemory) -> None:
    flights, _, _ = build(cache)
    await cache.claim("k")

    async def refuse() -> None:
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        await flights.wait("k", refuse)
