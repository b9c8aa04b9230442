"""How many tokens a request may decode."""

import pytest

from cogitate.server.settings import Settings
from tests.server.planning.test_plan import make_plan

LIMIT = 100
SEARCH = 8 * (2 * LIMIT + 40)
"""What a search of 8 paths may decode."""
SPARE = 8 * LIMIT
"""What it may decode beyond that to be faster."""


def plan_search(max_cost=1_000_000, speculate=True, **fields):
    strategy = {"name": "beam_search", "verifier": "programmatic", "speculate": speculate}
    return make_plan(strategy=strategy, max_tokens=LIMIT, settings=Settings(max_cost=max_cost), **fields)


def test_search_that_starts_steps_early_may_decode_more():
    assert plan_search(speculate=False).cost == SEARCH
    assert plan_search().cost == SEARCH + SPARE


@pytest.mark.parametrize("max_cost", [SEARCH, SEARCH + 1, SEARCH + SPARE])
def test_request_within_the_limit_is_never_refused_for_what_would_make_it_faster(max_cost):
    assert plan_search(max_cost=max_cost).cost == max_cost


@pytest.mark.parametrize("tokens", [9, SEARCH, SEARCH + 7])
def test_token_budget_of_the_client_is_never_exceeded(tokens):
    assert plan_search(budget={"tokens": tokens}).cost == tokens
