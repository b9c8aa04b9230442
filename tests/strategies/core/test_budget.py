import asyncio

import pytest

from cogitate.strategies.core.budget import SHARE, Budget, BudgetExhausted


async def spend(budget, wanted, used, among=1, held=None):
    async with budget.reserve(wanted, among) as grant:
        if held:
            await held.wait()
        grant.used = min(used, grant.tokens if grant.tokens is not None else used)
        return grant.tokens


async def test_what_is_kept_for_later_cannot_be_spent_and_is_at_most_half():
    budget = Budget(10)
    with budget.kept(4):
        assert budget.left == 6
        async with budget.reserve(None) as grant:
            assert grant.tokens == 6
            grant.used = 5
    assert budget.left == 5
    with budget.kept(100):
        assert budget.left == 3
    boundless = Budget()
    with boundless.kept(4):
        assert boundless.left is None
    assert boundless.left is None


async def test_who_wants_nothing_gets_nothing():
    async with Budget(10).reserve(0) as grant:
        assert grant.tokens == 0


async def test_without_a_limit_everyone_gets_what_they_want():
    assert await spend(Budget(), 100, 100) == 100
    assert await spend(Budget(), None, 5) is None


async def test_what_is_not_used_comes_back():
    budget = Budget(100)
    assert await spend(budget, 80, 10) == 80
    assert budget.left == 90


async def test_a_grant_is_never_more_than_what_is_left():
    budget = Budget(30)
    assert await spend(budget, 100, 30) == 30
    with pytest.raises(BudgetExhausted):
        await spend(budget, 1, 1)


async def test_siblings_share_what_is_left():
    budget = Budget(10 * SHARE)
    async with budget.reserve(None, among=2) as grant:
        assert grant.tokens == 5 * SHARE and grant.clipped
    async with budget.reserve(3, among=2) as grant:
        assert grant.tokens == 3 and not grant.clipped


async def test_a_sample_waits_for_its_siblings_change_rather_than_be_cut_to_a_stump():
    budget, held = Budget(SHARE + 10), asyncio.Event()
    first = asyncio.create_task(spend(budget, SHARE, 50, among=2, held=held))
    await asyncio.sleep(0)
    second = asyncio.create_task(spend(budget, SHARE, SHARE))
    await asyncio.sleep(0.01)
    assert not second.done()
    held.set()
    assert await second == SHARE - 40 or await second == SHARE
    assert await first == SHARE


async def test_who_waits_in_vain_is_told():
    budget, held = Budget(SHARE), asyncio.Event()
    first = asyncio.create_task(spend(budget, SHARE, SHARE, held=held))
    await asyncio.sleep(0)
    second = asyncio.create_task(spend(budget, SHARE, 1))
    held.set()
    await first
    with pytest.raises(BudgetExhausted):
        await second


async def test_a_cancelled_holder_gives_back_what_it_did_not_use():
    budget = Budget(100)

    async def hold():
        async with budget.reserve(100) as grant:
            grant.used = 7
            await asyncio.sleep(9)

    task = asyncio.create_task(hold())
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert (budget.left, budget.out) == (93, 0)
