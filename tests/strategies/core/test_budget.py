import asyncio

import pytest

from cogitate.strategies.core.budget import MIN_SHARE_TOKENS, Budget, BudgetExhausted


async def spend(budget, max_tokens, used, siblings=1, barrier=None):
    async with budget.reserve(max_tokens, siblings) as grant:
        if barrier:
            await barrier.wait()
        grant.used = min(used, grant.tokens if grant.tokens is not None else used)
        return grant.tokens


async def test_tokens_set_aside_cannot_be_spent_and_are_at_most_half():
    budget = Budget(10)
    with budget.set_aside(4):
        assert budget.tokens_left == 6
        async with budget.reserve(None) as grant:
            assert grant.tokens == 6
            grant.used = 5
    assert budget.tokens_left == 5
    with budget.set_aside(100):
        assert budget.tokens_left == 3
    unlimited = Budget()
    with unlimited.set_aside(4):
        assert unlimited.tokens_left is None
    assert unlimited.tokens_left is None


async def test_grant_of_zero_tokens_is_empty():
    async with Budget(10).reserve(0) as grant:
        assert grant.tokens == 0


async def test_unlimited_budget_grants_every_request():
    assert await spend(Budget(), 100, 100) == 100
    assert await spend(Budget(), None, 5) is None


async def test_unused_tokens_are_returned():
    budget = Budget(100)
    assert await spend(budget, 80, 10) == 80
    assert budget.tokens_left == 90


async def test_grant_never_exceeds_the_tokens_left():
    budget = Budget(30)
    assert await spend(budget, 100, 30) == 30
    with pytest.raises(BudgetExhausted):
        await spend(budget, 1, 1)


async def test_siblings_share_the_tokens_left():
    budget = Budget(10 * MIN_SHARE_TOKENS)
    async with budget.reserve(None, siblings=2) as grant:
        assert grant.tokens == 5 * MIN_SHARE_TOKENS and grant.is_binding
    async with budget.reserve(3, siblings=2) as grant:
        assert grant.tokens == 3 and not grant.is_binding


async def test_sample_waits_for_tokens_of_its_siblings_instead_of_a_tiny_grant():
    budget, barrier = Budget(MIN_SHARE_TOKENS + 10), asyncio.Event()
    first = asyncio.create_task(spend(budget, MIN_SHARE_TOKENS, 50, siblings=2, barrier=barrier))
    await asyncio.sleep(0)
    second = asyncio.create_task(spend(budget, MIN_SHARE_TOKENS, MIN_SHARE_TOKENS))
    await asyncio.sleep(0.01)
    assert not second.done()
    barrier.set()
    assert await second == MIN_SHARE_TOKENS - 40 or await second == MIN_SHARE_TOKENS
    assert await first == MIN_SHARE_TOKENS


async def test_waiting_sample_raises_when_nothing_is_returned():
    budget, barrier = Budget(MIN_SHARE_TOKENS), asyncio.Event()
    first = asyncio.create_task(spend(budget, MIN_SHARE_TOKENS, MIN_SHARE_TOKENS, barrier=barrier))
    await asyncio.sleep(0)
    second = asyncio.create_task(spend(budget, MIN_SHARE_TOKENS, 1))
    barrier.set()
    await first
    with pytest.raises(BudgetExhausted):
        await second


async def test_cancelled_decode_returns_its_unused_tokens():
    budget = Budget(100)

    async def decode():
        async with budget.reserve(100) as grant:
            grant.used = 7
            await asyncio.sleep(9)

    task = asyncio.create_task(decode())
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert budget.tokens_left == 93
    assert await spend(budget, 93, 93) == 93
